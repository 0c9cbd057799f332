import GRPCCore
import GrapeModel
import NIOCore
import NIOPosix
import Synchronization

/// The deadline that a client gave its call, in the metadata `grpc-timeout`. A call without one has that of the node.
package enum CallDeadline {
    /// What becomes of a call whose time is up: it goes on in the node, and what it finds is dropped.
    enum Kind: Sendable {
        case read
        case write(points: Int)

        fileprivate var error: GrapeError {
            switch self {
            case .read: GrapeError(.requestTimeout, "the call did not end within its deadline")
            case .write(let points):
                GrapeError(
                    .outcomeUnknown,
                    "the call did not end within its deadline: it may have been carried out, or may yet be",
                    writeOutcome: WriteOutcome(written: 0, notWritten: 0, unknown: points))
            }
        }
    }

    static func run<Found: Sendable>(
        _ kind: Kind, _ metadata: Metadata, _ call: @escaping @Sendable () async throws(GrapeError) -> Found
    ) async throws(GrapeError) -> Found {
        guard let text = metadata[stringValues: "grpc-timeout"].first(where: { _ in true }),
            let timeout = timeout(text)
        else { return try await call() }
        let result: Result<Found, GrapeError> = await withCheckedContinuation { continuation in
            let answer = FirstAnswer(continuation)
            let timer = MultiThreadedEventLoopGroup.singleton.next().scheduleTask(in: timeout) {
                answer.give(.failure(kind.error))
            }
            Task {
                do throws(GrapeError) {
                    answer.give(.success(try await call()))
                } catch {
                    answer.give(.failure(error))
                }
                timer.cancel()
            }
        }
        return try result.get()
    }

    /// At most eight digits and a unit. nil where it is none, or so long that it doesn't matter.
    package static func timeout(_ text: String) -> TimeAmount? {
        guard (2...9).contains(text.utf8.count), text.utf8.dropLast().allSatisfy({ (0x30...0x39).contains($0) }),
            let count = Int64(text.dropLast())
        else { return nil }
        return switch text.last {
        case "H": count <= 24 ? .hours(count) : nil
        case "M": .minutes(count)
        case "S": .seconds(count)
        case "m": .milliseconds(count)
        case "u": .microseconds(count)
        case "n": .nanoseconds(count)
        default: nil
        }
    }
}

/// Of two answers to one call the first.
///
/// Thread safety: the continuation is guarded by its mutex.
private final class FirstAnswer<Found: Sendable>: Sendable {
    private typealias Waiting = CheckedContinuation<Result<Found, GrapeError>, Never>

    private let waiting: Mutex<Waiting?>

    init(_ waiting: CheckedContinuation<Result<Found, GrapeError>, Never>) { self.waiting = Mutex(waiting) }

    func give(_ answer: Result<Found, GrapeError>) {
        let first = waiting.withLock { waiting in
            defer { waiting = nil }
            return waiting
        }
        first?.resume(returning: answer)
    }
}
