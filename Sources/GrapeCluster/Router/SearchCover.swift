import GrapeEngine
import GrapeModel

/// Which nodes answer a search together: as few as possible, and each for its own shards, so that no point is looked at
/// twice.
package enum SearchCover {
    /// Steps that are spent on a smaller cover than the greedy one. Enough for what clusters look like; the problem as
    /// such has no bound.
    private static let stepsMax = 2_000

    /// - Parameters:
    ///   - holders: Of each shard the nodes that can answer for it.
    ///   - first: This node: what it holds costs no message.
    /// - Returns: The shards of each node that is asked; nil where a shard has no holder.
    package static func find(
        _ holders: [ShardID: [NodeNumber]], first: NodeNumber
    ) -> [NodeNumber: ShardSet]? {
        var open = holders.keys.sorted()
        guard open.allSatisfy({ holders[$0]?.isEmpty == false }) else { return nil }
        let own = open.filter { holders[$0]?.contains(first) == true }
        open.removeAll { own.contains($0) }
        var search = Search(holders: holders, best: greedy(holders, open), stepsLeft: stepsMax)
        search.go(open, chosen: [])
        var cover: [NodeNumber: ShardSet] = own.isEmpty ? [:] : [first: ShardSet(own)]
        for node in search.best {
            let own = open.filter { holders[$0]?.contains(node) == true }
            open.removeAll { own.contains($0) }
            cover[node] = ShardSet(own)
        }
        return cover
    }

    /// Always the node that holds most of what is open, the lowest number of equal ones.
    private static func greedy(_ holders: [ShardID: [NodeNumber]], _ shards: [ShardID]) -> [NodeNumber] {
        var open = shards
        var chosen: [NodeNumber] = []
        while !open.isEmpty {
            var counts: [NodeNumber: Int] = [:]
            for shard in open {
                for node in holders[shard] ?? [] { counts[node, default: 0] += 1 }
            }
            guard let node = counts.max(by: { ($0.value, $1.key) < ($1.value, $0.key) })?.key else { break }
            chosen.append(node)
            open.removeAll { holders[$0]?.contains(node) == true }
        }
        return chosen
    }

    /// One of the holders of the first open shard must be in it: tries each.
    private struct Search {
        let holders: [ShardID: [NodeNumber]]
        var best: [NodeNumber]
        var stepsLeft: Int

        mutating func go(_ open: [ShardID], chosen: [NodeNumber]) {
            guard let rarest = open.min(by: { count($0) < count($1) }) else {
                best = chosen
                return
            }
            for node in holders[rarest] ?? [] {
                guard chosen.count + 1 < best.count, stepsLeft > 0 else { return }
                stepsLeft -= 1
                go(open.filter { holders[$0]?.contains(node) != true }, chosen: chosen + [node])
            }
        }

        private func count(_ shard: ShardID) -> Int { holders[shard]?.count ?? 0 }
    }
}
