import GrapeEngine
import GrapeModel

/// How a node with an empty directory becomes a member of a cluster: as founder, as one of the founded, or by joining.
/// A state machine: whoever runs it asks what it wants asked, gives it the answers, and keeps `record` on disk before
/// anything that follows from it leaves.
///
/// 1. A founder notes what it founds before it tells anybody, and hands out the same after a crash.
/// 2. A directory belongs to one cluster for ever: it takes a founding once, and refuses another.
/// 3. Founding is done when every founder has answered. Where some refused (their directories were emptied meanwhile), a
///    majority that took it is enough; without one nobody can have decided anything in that cluster, and the founder
///    begins again by asking who is there.
/// 4. A founder that did not hear of its founding learns of it from any other one, so the founder may be lost too.
/// 5. A node whose directory was that of a member before, and is empty because its store was damaged, neither founds nor is
///    founded with: it asks the others to take it back.
package struct BootstrapMachine: Sendable {
    /// What a round of answers comes to.
    package enum Step: Hashable, Sendable {
        /// Ask again after a pause.
        case wait(String)
        /// Something new is known: ask again at once.
        case again
        /// This node is a member: `record` says as which.
        case member
        /// Never: the line tells what to do.
        case fail(String)
    }

    package struct Ask: Hashable, Sendable {
        package var address: HostPort
        package var request: BootstrapRequest

        package init(address: HostPort, request: BootstrapRequest) {
            self.address = address
            self.request = request
        }
    }

    package let greeting: Greeting
    /// `initial_peers`, this node among them.
    package let peers: [PeerAddress]
    package let seeds: [HostPort]
    package let replicaCount: Int
    /// Boot id of the damaged directory in whose place this one is.
    package let replacing: UInt64?
    package private(set) var record: MemberRecord
    /// The cluster, once this node is a member: what it begins with.
    package private(set) var cluster: FoundedCluster?
    /// Where to ask for membership: somebody said that a cluster is there.
    private var target: HostPort?
    private var nextSeed = 0
    /// Founders that answered since this process began: whether they took the founding.
    private var replies: [NodeNumber: Bool] = [:]

    package init(
        record: MemberRecord, greeting: Greeting, peers: [PeerAddress], seeds: [HostPort], replicaCount: Int,
        replacing: UInt64? = nil
    ) {
        self.record = record
        self.greeting = greeting
        self.peers = peers
        self.replacing = replacing
        // Any of the others can take a member back.
        let others = peers.filter { $0.nodeID != greeting.nodeID }.map(\.address)
        self.seeds = replacing == nil ? seeds : seeds + others
        self.replicaCount = replicaCount
    }

    package var isMember: Bool { record.number != nil }

    /// What this node's configuration makes impossible.
    package var flaw: String? {
        guard !peers.isEmpty, !peers.contains(where: { $0.nodeID == greeting.nodeID }) else { return nil }
        return "initial_peers does not name this node, \(greeting.nodeID)"
    }

    // MARK: A round

    /// What to ask now.
    package var asks: [Ask] {
        if isMember { return [] }
        if let founding = record.founded {
            return unanswered(founding).map { Ask(address: $0.addresses.raft, request: .found(founding)) }
        }
        if let target { return [Ask(address: target, request: joining)] }
        if !seeds.isEmpty { return [Ask(address: seeds[nextSeed % seeds.count], request: joining)] }
        return peers.filter { $0.nodeID != greeting.nodeID }.map { Ask(address: $0.address, request: .hello) }
    }

    private var joining: BootstrapRequest {
        replacing.map { .rejoin(greeting, replacing: $0) } ?? .join(greeting)
    }

    /// Takes the answers to `asks`; where there was none, none.
    /// - Parameter newCluster: the id of a cluster that this node might found now.
    package mutating func take(_ answers: [HostPort: BootstrapAnswer], newCluster: PointID) -> Step {
        if isMember { return .member }
        if let founding = record.founded { return handOut(founding, answers) }
        if let target {
            self.target = nil
            return join(target, answers[target])
        }
        if !seeds.isEmpty {
            let seed = seeds[nextSeed % seeds.count]
            nextSeed += 1
            return join(seed, answers[seed])
        }
        switch FoundingPlan.next(greeting, peers: peers, answers: answers) {
        case .wait(let notice): return .wait(notice)
        case .fail(let reason): return .fail(reason)
        case .join(let address):
            target = address
            return .again
        case .found(let founders):
            let layout = InitialLayout.make(
                founders: founders, shardCount: greeting.shardCount, replicaCount: replicaCount)
            record.founded = FoundedCluster(cluster: newCluster, layout: layout)
            replies = [:]
            return .again
        }
    }

    // MARK: Founding

    private func unanswered(_ founding: FoundedCluster) -> [Member] {
        founding.layout.members.filter { $0.bootID != greeting.bootID && replies[$0.number] == nil }
    }

    private mutating func handOut(_ founding: FoundedCluster, _ answers: [HostPort: BootstrapAnswer]) -> Step {
        for member in unanswered(founding) {
            switch answers[member.addresses.raft] {
            case .accepted: replies[member.number] = true
            case .refused: replies[member.number] = false
            default: break
            }
        }
        let silent = unanswered(founding)
        guard silent.isEmpty else {
            let names = silent.map { "\($0.nodeID) at \($0.addresses.raft)" }
            return .wait("founding the cluster; waiting for \(names.joined(separator: ", "))")
        }
        let taken = replies.values.count { $0 } + 1
        guard taken > founding.layout.members.count / 2 else {
            record.founded = nil
            return .wait("the founding was refused: asking again who is there")
        }
        return become(founding).map(Step.fail) ?? .member
    }

    /// -> why not.
    private mutating func become(_ founded: FoundedCluster) -> String? {
        guard let own = founded.layout.members.first(where: { $0.bootID == greeting.bootID }) else {
            return "the cluster was founded without this node's data directory"
        }
        if let flaw = shardFlaw(founded.layout) { return flaw }
        record.number = own.number
        record.founded = founded
        cluster = founded
        return nil
    }

    private func shardFlaw(_ layout: ClusterLayout) -> String? {
        guard layout.placements.count != greeting.shardCount else { return nil }
        return "the cluster has shard_count \(layout.placements.count), the configuration of \(greeting.nodeID) says "
            + "\(greeting.shardCount): set sharding.shard_count = \(layout.placements.count)"
    }

    // MARK: Joining

    private mutating func join(_ address: HostPort, _ answer: BootstrapAnswer?) -> Step {
        switch answer {
        case .admitted(let cluster, let number):
            if let flaw = shardFlaw(cluster.layout) { return .fail(flaw) }
            record.number = number
            self.cluster = cluster
            return .member
        case .founded(let founded): return become(founded).map(Step.fail) ?? .member
        case .redirect(let leader) where leader != address:
            target = leader
            return .again
        case .refused(let reason): return .fail(reason)
        case .wait(let reason): return .wait("waiting to join: \(reason)")
        case nil: return .wait("waiting to join: \(address) does not answer")
        default: return .wait("waiting to join: \(address) gave no answer that makes sense")
        }
    }

    // MARK: Others ask

    /// What this node answers. `record` is to be on disk before the answer leaves.
    package mutating func answer(_ request: BootstrapRequest) -> BootstrapAnswer {
        switch request {
        case .hello:
            if let cluster { return .member(cluster.cluster) }
            if replacing != nil { return .wait("\(greeting.nodeID) waits to be taken back into its cluster") }
            return record.founded == nil ? .empty(greeting) : .wait("\(greeting.nodeID) is founding a cluster")
        case .join, .rejoin, .layout: return .wait("\(greeting.nodeID) belongs to no cluster itself yet")
        case .found(let founded):
            if let cluster {
                return cluster.cluster == founded.cluster
                    ? .accepted : .refused("\(greeting.nodeID) belongs to cluster \(cluster.cluster.text) already")
            }
            if replacing != nil { return .refused("\(greeting.nodeID) was a member of a cluster before") }
            if let own = record.founded, own.cluster != founded.cluster {
                return .refused("\(greeting.nodeID) is founding cluster \(own.cluster.text) itself")
            }
            return become(founded).map(BootstrapAnswer.refused) ?? .accepted
        }
    }
}
