import Dispatch
import Synchronization

/// Calls back at a fixed interval, on a queue of its own, until it is stopped.
///
/// Thread safety: `state` is guarded by its mutex.
final class RepeatingTimer: Sendable {
    /// A closure that is a mutex' whole value would gain a layer of wrapping each time it is looked at.
    private struct State {
        var isStopped = false
        var body: (@Sendable () -> Void)?
    }

    private let milliseconds: Int
    private let queue = DispatchQueue(label: "grape.timer", qos: .userInitiated)
    private let state = Mutex(State())

    init(milliseconds: Int) { self.milliseconds = milliseconds }

    func start(_ body: @escaping @Sendable () -> Void) {
        state.withLock { $0.body = body }
        schedule()
    }

    func stop() {
        state.withLock { $0 = State(isStopped: true) }
    }

    private func schedule() {
        queue.asyncAfter(deadline: .now() + .milliseconds(milliseconds)) { [weak self] in
            guard let self else { return }
            let now = state.withLock { $0 }
            guard !now.isStopped else { return }
            now.body?()
            schedule()
        }
    }
}
