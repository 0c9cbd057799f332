import GrapeCluster
import GrapeModel
import Synchronization

/// Whether there is a node to answer calls: the ports listen before the node has opened, and a little longer than it
/// may take work.
///
/// Thread safety: the phase is guarded by its mutex.
package final class ServingState: Sendable {
    private enum Phase {
        case starting
        case serving(Node)
        case stopping
    }

    private let phase = Mutex(Phase.starting)

    package init() {}

    /// The node is open: calls are answered from now on, unless the server is stopping already.
    package func serve(_ node: Node) {
        phase.withLock {
            if case .starting = $0 { $0 = .serving(node) }
        }
    }

    /// No new call is taken from now on. Calls that were taken keep their node.
    package func stop() {
        phase.withLock { $0 = .stopping }
    }

    package var isStopping: Bool {
        phase.withLock {
            if case .stopping = $0 { true } else { false }
        }
    }

    /// The node, or why there is none.
    package var node: Result<Node, GrapeError> {
        phase.withLock {
            switch $0 {
            case .starting:
                .failure(GrapeError(.unavailable, "the node is starting", retryAfterSeconds: 1))
            case .serving(let node): .success(node)
            case .stopping:
                .failure(GrapeError(.unavailable, "the node is shutting down", retryAfterSeconds: 5))
            }
        }
    }

    /// A node that can serve now, or why there is none.
    package func ready() throws(GrapeError) -> Node {
        let node = try node.get()
        if let refusal = node.refusal { throw refusal }
        return node
    }
}
