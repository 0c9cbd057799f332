import GrapeEngine
import GrapeModel
import GrapeRaft
import Logging

/// Takes each part of a request to the node that answers for it: writes to the leaders of their shards, reads to replicas
/// that are up to date.
///
/// A write is sent again, under the same origin, until its outcome is known or its deadline has come: the shard
/// remembers what it did (RAFT.md 24). What an attempt leaves unknown stays unknown unless a later one tells.
package final class Router: Sendable {
    let consensus: Consensus
    let engine: Engine
    let cluster: ClusterState
    /// nil on a node alone.
    let peers: (any PeerRequests)?
    let origins = WriteOrigins()
    let pace: WritePace
    /// This node's side of consistency checks.
    let replicaChecks: ReplicaChecks

    private static let pauseMilliseconds = 10...200

    package init(
        consensus: Consensus, engine: Engine, cluster: ClusterState, peers: (any PeerRequests)?, pace: WritePace
    ) {
        self.pace = pace
        self.consensus = consensus
        self.engine = engine
        self.cluster = cluster
        self.peers = peers
        replicaChecks = ReplicaChecks(engine: engine, consensus: consensus)
    }

    // MARK: Writes

    /// Carries out the writes, each for itself. -> what became of them, in their order.
    package func commit(_ writes: [RoutedWrite], deadline: ContinuousClock.Instant) async -> [WriteFate] {
        var attempts = writes.map(WriteAttempts.init)
        var round = 0
        while true {
            let open = attempts.indices.filter { attempts[$0].fate == nil }
            if open.isEmpty { break }
            guard ContinuousClock.now < deadline else {
                for place in open { attempts[place].end(noLeader(of: writes[place].group)) }
                break
            }
            await attempt(open, &attempts, deadline)
            round += 1
            if attempts.contains(where: { $0.fate == nil }) { await pause(round, deadline) }
        }
        return attempts.map { $0.fate ?? .unknown }
    }

    /// Sends what is open once: a node gets all of its parts in one request. It is waited for as long as it leads: writes
    /// sent again because they are slow would make an overloaded node slower still.
    private func attempt(
        _ open: [Int], _ attempts: inout [WriteAttempts], _ deadline: ContinuousClock.Instant
    ) async {
        var places: [NodeNumber: [Int]] = [:]
        for place in open {
            guard let node = attempts[place].leader ?? leaderNode(of: attempts[place].write.group) else { continue }
            places[node, default: []].append(place)
        }
        if places.count == 1, let (node, own) = places.first {
            let results = await propose(own.map { attempts[$0].write }, to: node, deadline: deadline)
            return note(results, own, &attempts)
        }
        await withTaskGroup(of: ([Int], ProposeAnswer).self) { group in
            for (node, own) in places {
                let writes = own.map { attempts[$0].write }
                group.addTask { (own, await self.propose(writes, to: node, deadline: deadline)) }
            }
            for await (own, answer) in group { note(answer, own, &attempts) }
        }
    }

    private enum ProposeAnswer {
        case results([ProposalResult])
        case none(mayHaveArrived: Bool)
    }

    private func note(_ answer: ProposeAnswer, _ places: [Int], _ attempts: inout [WriteAttempts]) {
        guard case .results(let results) = answer,
            results.count == places.reduce(0, { $0 + attempts[$1].write.entries.count })
        else {
            let mayHaveArrived = if case .none(let mayHaveArrived) = answer { mayHaveArrived } else { true }
            for place in places { attempts[place].noAnswer(mayHaveArrived: mayHaveArrived) }
            return
        }
        var rest = results[...]
        for place in places {
            let count = attempts[place].write.entries.count
            attempts[place].take(rest.prefix(count))
            rest = rest.dropFirst(count)
        }
    }

    private func propose(
        _ writes: [RoutedWrite], to node: NodeNumber, deadline: ContinuousClock.Instant
    ) async -> ProposeAnswer {
        let proposals = writes.flatMap { write in write.entries.map { Proposal(group: write.group, entry: $0) } }
        guard node != cluster.node else { return .results(await proposeHere(proposals, deadline: deadline)) }
        do throws(PeerFailure) {
            let groups = writes.map { (id: $0.group, leader: leaderNode(of: $0.group)) }
            let answer = try await ask(.propose(proposals), node, lane: .bulk, deadline) { [self] in
                groups.contains { group in
                    let leader = leaderNode(of: group.id)
                    return leader != node && leader != group.leader
                }
            }
            guard case .proposed(let results) = answer else {
                return .none(mayHaveArrived: true)
            }
            return .results(results)
        } catch {
            return .none(mayHaveArrived: error.mayHaveArrived)
        }
    }

    /// Where the group's leader is, as far as anybody here knows.
    func leaderNode(of group: LogGroup) -> NodeNumber? {
        consensus.leader(of: group) ?? cluster.leaderHint(group)
    }

    private func noLeader(of group: LogGroup) -> GrapeError {
        let name = if case .shard(let shard) = group { "shard \(shard)" } else { "the catalog" }
        return GrapeError(.unavailable, "\(name) has no leader that this node can reach", retryAfterSeconds: 1)
    }

    func pause(_ round: Int, _ deadline: ContinuousClock.Instant) async {
        let milliseconds = min(Self.pauseMilliseconds.lowerBound << min(round, 8), Self.pauseMilliseconds.upperBound)
        try? await Task.sleep(
            until: min(deadline, ContinuousClock.now + .milliseconds(milliseconds)), clock: .continuous)
    }

    // MARK: Other nodes

    func ask(
        _ request: PeerRequest, _ node: NodeNumber, lane: PeerLane, _ deadline: ContinuousClock.Instant,
        unless isOver: @escaping @Sendable () -> Bool = { false }
    ) async throws(PeerFailure) -> PeerAnswer {
        guard let peers else { throw PeerFailure(mayHaveArrived: false, message: "this node is alone") }
        let left = (deadline - ContinuousClock.now) / .milliseconds(1)
        guard left > 0 else { throw PeerFailure(mayHaveArrived: false, message: "no time is left") }
        let bytes = try await peers.request(
            request.encoded(timeoutMilliseconds: UInt32(clamping: Int(left))), to: node, lane: lane, deadline: deadline,
            unless: isOver)
        guard let answer = PeerAnswer(encoded: bytes) else {
            throw PeerFailure(
                mayHaveArrived: true, message: "node \(node) answered in a form that this build does not know")
        }
        return answer
    }
}
