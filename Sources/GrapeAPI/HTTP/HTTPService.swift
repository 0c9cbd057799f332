import GrapeModel
import NIOCore
import NIOHTTP1
import Synchronization

/// What stands behind the connections of one port.
///
/// A request comes in two steps: its head is shown to `admit` on the event loop, then, unless the head alone decided
/// the answer, its whole body goes to `answer` off the event loop.
package protocol HTTPService: Sendable {
    /// What `admit` made of a head.
    associatedtype Call: Sendable

    /// Runs on the event loop and must not block.
    func admit(_ head: HTTPRequestHead) -> Admission<Call>

    /// Where `answer` runs; nil: on Swift's cooperative pool.
    func executor(_ call: Call) -> (any TaskExecutor)?

    func answer(_ call: Call, body: [UInt8], progress: CallProgress) async -> HTTPAnswer

    /// The answer to a call that ran out of time; `answer` still runs, and what it returns is dropped.
    func timeoutAnswer(_ call: Call, progress: CallProgress) -> HTTPAnswer
}

extension HTTPService {
    package func executor(_ call: Call) -> (any TaskExecutor)? { nil }
}

/// What becomes of a request whose head is there.
package struct Admission<Call: Sendable>: Sendable {
    package enum Decision: Sendable {
        /// The head decides: the body is read and dropped.
        case answer(HTTPAnswer)
        case call(Call)
    }

    package let operation: Operation
    package let decision: Decision
    /// How long the call may take; nil: as long as any request.
    package let timeLimit: TimeAmount?

    package init(_ operation: Operation, _ decision: Decision, timeLimit: TimeAmount? = nil) {
        self.operation = operation
        self.decision = decision
        self.timeLimit = timeLimit
    }
}

/// How far a call has come, for the answer that is given when its time is up.
///
/// Thread safety: one task writes, the event loop reads.
package final class CallProgress: Sendable {
    private let submitted = Atomic<Int>(0)

    package init() {}

    /// Points that may have been written from now on.
    package var submittedPoints: Int { submitted.load(ordering: .acquiring) }

    package func submit(points: Int) { submitted.store(points, ordering: .releasing) }
}
