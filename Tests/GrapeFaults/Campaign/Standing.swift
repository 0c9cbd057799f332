import Synchronization

/// Which nodes run in contact with a majority: a search at one of those has to succeed.
///
/// A node's mark changes whenever its standing does, so that who compares it before and after a request knows that
/// nothing happened in between.
final class Standing: Sendable {
    private let nodes: Mutex<[(isSurvivor: Bool, changes: Int)]>

    init(nodes: Int) {
        self.nodes = Mutex(Array(repeating: (false, 0), count: nodes))
    }

    /// Nil while nothing is to be expected of the node.
    func mark(of node: Int) -> Int? {
        nodes.withLock { $0[node].isSurvivor ? $0[node].changes : nil }
    }

    func set(survivors: [Int]) {
        nodes.withLock { nodes in
            for node in nodes.indices where nodes[node].isSurvivor != survivors.contains(node) {
                nodes[node] = (survivors.contains(node), nodes[node].changes + 1)
            }
        }
    }

    var survivors: [Int] { nodes.withLock { nodes in nodes.indices.filter { nodes[$0].isSurvivor } } }
}
