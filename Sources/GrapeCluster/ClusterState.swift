import GrapeEngine
import GrapeModel
import Synchronization

/// What this node knows of its cluster, for whoever routes a request: put together anew a few times a second by the
/// driver, from the catalog, the reports of the others and its own replicas.
///
/// Thread safety: a value under a mutex.
package final class ClusterState: Sendable {
    /// How many points wait for the graph on the other nodes that have a shard, as far as they were heard of lately.
    package struct Backlogs: Sendable {
        private let known: [Int]
        private let replicas: Int

        /// - Parameter replicas: How many the shard has in all.
        package init(known: [Int], replicas: Int) {
            self.known = known
            self.replicas = replicas
        }

        /// The worst of the best majority.
        func ofMajority(own: Int) -> Int {
            let all = ([own] + known).sorted()
            return all[min(replicas / 2, all.count - 1)]
        }
    }

    package struct View: Sendable {
        /// This node answers for these shards: it has a replica of them whose rows are all there.
        package var own = ShardSet()
        /// Of each shard the nodes that answer for it, the nearest first.
        package var holders: [ShardID: [NodeNumber]] = [:]
        /// Leaders of groups as other nodes tell.
        package var leaderHints: [LogGroup: NodeNumber] = [:]
        package var backlogs: [ShardID: Backlogs] = [:]
        /// Why strong calls can't be answered: no majority of the members was heard of for long.
        package var isolation: GrapeError?
        /// The same, also where this node has just started and has not heard of a majority yet, or has just come into the
        /// cluster and waits for the catalog: it is not ready then, but what it is asked meanwhile may wait for that.
        package var solitude: GrapeError?

        package init() {}
    }

    package let node: NodeNumber
    let shardCount: Int
    private let view = Mutex(View())

    package init(node: NodeNumber, shardCount: Int) {
        self.node = node
        self.shardCount = shardCount
    }

    package var current: View { view.withLock { $0 } }

    package func update(_ body: (inout View) -> Void) { view.withLock { body(&$0) } }

    var isolation: GrapeError? { view.withLock { $0.isolation } }
    var solitude: GrapeError? { view.withLock { $0.solitude } }

    var answersForAllShards: Bool { view.withLock { $0.own.count == shardCount } }

    func answers(for shard: ShardID) -> Bool { view.withLock { $0.own.contains(shard) } }

    /// Whether a read of the group can be made fresh here.
    func holds(_ group: LogGroup) -> Bool {
        if case .shard(let shard) = group { answers(for: shard) } else { true }
    }

    /// Points that wait for the graph, where the shards' best majorities are worst; own is how many wait here.
    package func backlog(of shards: Set<ShardID>, own: Int) -> Int {
        view.withLock { view in
            shards.reduce(0) { max($0, view.backlogs[$1]?.ofMajority(own: own) ?? own) }
        }
    }

    func leaderHint(_ group: LogGroup) -> NodeNumber? { view.withLock { $0.leaderHints[group] } }

    func holders(excluding excluded: Set<NodeNumber>) -> [ShardID: [NodeNumber]] {
        view.withLock { $0.holders.mapValues { $0.filter { !excluded.contains($0) } } }
    }
}
