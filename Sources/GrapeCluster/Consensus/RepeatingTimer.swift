import Dispatch
import Synchronization

/// Calls back at a fixed interval, on a queue of its own, until it is stopped.
///
/// Thread safety: the source is guarded by its mutex.
final class RepeatingTimer: Sendable {
    private let milliseconds: Int
    private let queue = DispatchQueue(label: "grape.timer", qos: .userInitiated)
    private let isStopped = Mutex(false)
    private let body = Mutex<(@Sendable () -> Void)?>(nil)

    init(milliseconds: Int) { self.milliseconds = milliseconds }

    func start(_ body: @escaping @Sendable () -> Void) {
        self.body.withLock { $0 = body }
        schedule()
    }

    func stop() {
        isStopped.withLock { $0 = true }
        body.withLock { $0 = nil }
    }

    private func schedule() {
        queue.asyncAfter(deadline: .now() + .milliseconds(milliseconds)) { [weak self] in
            guard let self, !isStopped.withLock({ $0 }) else { return }
            body.withLock { $0 }?()
            schedule()
        }
    }
}
