import GrapeEngine
import GrapeModel

/// Which nodes answer a search together: as few as possible, and each for its own shards, so that no point is looked at
/// twice.
enum SearchCover {
    /// - Parameters:
    ///   - holders: Of each shard the nodes that can answer for it.
    ///   - first: This node: what it holds costs no message.
    /// - Returns: The shards of each node that is asked; nil where a shard has no holder.
    static func find(_ holders: [ShardID: [NodeNumber]], first: NodeNumber) -> [NodeNumber: ShardSet]? {
        var cover: [NodeNumber: ShardSet] = [:]
        var open = holders.keys.sorted()
        var next: NodeNumber? = first
        while !open.isEmpty {
            let node = next ?? best(holders, open)
            next = nil
            guard let node else { return nil }
            let own = open.filter { holders[$0]?.contains(node) == true }
            open.removeAll { own.contains($0) }
            if !own.isEmpty { cover[node] = ShardSet(own) }
        }
        return cover
    }

    /// The node that holds most of the open shards, the lowest number of equal ones.
    private static func best(_ holders: [ShardID: [NodeNumber]], _ open: [ShardID]) -> NodeNumber? {
        var counts: [NodeNumber: Int] = [:]
        for shard in open {
            for node in holders[shard] ?? [] { counts[node, default: 0] += 1 }
        }
        return counts.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key
    }
}
