import GrapeEngine
import Synchronization

/// Gives every write of this run of the node its name in the logs.
final class WriteOrigins: Sendable {
    private let incarnation = UInt64.random(in: 1 ... .max)
    private let sequence = Atomic<UInt64>(0)

    /// Nothing repeats an entry yet, so no sequence counts as closed.
    func next() -> WriteOrigin {
        WriteOrigin(
            incarnation: incarnation, sequence: sequence.add(1, ordering: .relaxed).newValue, lowestOpen: 0)
    }
}
