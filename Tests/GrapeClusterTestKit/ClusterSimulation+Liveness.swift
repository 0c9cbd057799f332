import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeTestKit

/// The end of a run: faults stop, every machine comes back that has a disk, and everything asked must be answered, every
/// move finished and every replica equal in bounded time.
extension ClusterSimulation {
    /// In ticks of a true clock.
    private static let ticksMax: UInt64 = 6_000

    func livenessPhase() throws(Violation) {
        isOperating = false
        world.options.heal()
        world.network.heal()
        for node in nodes where node.life != .gone {
            node.clock.heal()
            if node.run == nil { try node.start() }
            refill(node)
        }
        if world.options.endsWithNodeDown, let node = dispensable {
            world.coverage.count(.endsWithNodeDown)
            node.crash()
            try runOn { $0.clients.allSatisfy(\.isDone) }
            try node.start()
        }
        try runOn { $0.isSettled }
        for client in clients.indices { clients[client].close(&history) }
        for node in running {
            for group in LogGroup.all(shardCount: world.options.shards) { node.run?.checkState(of: group) }
            node.run?.checkIndexes()
            node.run?.router.readAll(&history, call: events + 1)
        }
        if let violation = world.violation { throw violation }
    }

    /// Everything that clients ask from here on must be answered.
    private func runOn(until isEnough: (ClusterSimulation) -> Bool) throws(Violation) {
        for client in clients.indices { clients[client].finish(after: 4, at: world.now) }
        let deadline = world.now + Self.ticksMax * 1_000
        var round = 0
        while true {
            round += 1
            if round % 200 == 0, isEnough(self) { return }
            if world.now > deadline { throw Violation(.liveness, describeStuck()) }
            try nextEvent()
        }
    }

    /// A node that the others can do without: whatever configuration a group has or is leaving, a majority of it is left.
    private var dispensable: SimulatedNode? {
        let all = running
        let groups = LogGroup.all(shardCount: world.options.shards)
        let candidates = all.filter { node in
            groups.allSatisfy { group in
                let drivers = all.compactMap { $0.run?.loop.driver(group) }
                let left = drivers.filter { $0.id.node != node.number && !$0.isLost }.map(\.id)
                let halves = drivers.flatMap { [$0.store.confState.voters, $0.store.confState.votersOutgoing] }
                return (halves + [wanted(group)]).allSatisfy { half in
                    half.isEmpty || half.count(where: left.contains) > half.count / 2
                }
            }
        }
        return candidates.isEmpty ? nil : candidates[faultRandom.below(candidates.count)]
    }

    /// Who votes when what is under way has come to its end; of a replica that is to come nobody knows how far it is.
    private func wanted(_ group: LogGroup) -> [ReplicaID] {
        let layout = newestLayout
        guard case .shard(let shard) = group else {
            return layout.members.filter { $0.state == .member }
                .map { ReplicaID(node: $0.number, serial: $0.catalogSerial) }
        }
        return layout.placement(shard)?.target.map { ReplicaID(node: $0.node, serial: $0.serial) } ?? []
    }

    private var isSettled: Bool {
        clients.allSatisfy(\.isDone) && joining == nil && leaving == nil && unsettled.isEmpty
    }

    /// What is not as it is to be at the end, in words.
    private var unsettled: [String] {
        let layout = newestLayout
        var found: [String] = []
        for member in layout.members where member.state == .leaving {
            found.append("node \(member.number) has not left")
        }
        for (number, placement) in layout.placements.enumerated() {
            if let move = placement.move {
                let (adding, removing) = (move.adding?.serial ?? 0, move.removing?.serial ?? 0)
                found.append("shard \(number) moves: \(adding) comes, \(removing) goes")
            }
            if placement.replicas.count < min(layout.replicaCount, layout.members.count) {
                found.append("shard \(number) has \(placement.replicas.count) replicas")
            }
            let ids = placement.replicas.map { ReplicaID(node: $0.node, serial: $0.serial) }
            found += differences(.shard(ShardID(UInt16(number))), ids.sorted())
        }
        found += differences(
            .catalog, layout.members.map { ReplicaID(node: $0.number, serial: $0.catalogSerial) }.sorted())
        return found
    }

    /// All replicas that the layout names are there, equally far, and say that they are the group.
    private func differences(_ group: LogGroup, _ ids: [ReplicaID]) -> [String] {
        var found: [String] = []
        var applied: Set<UInt64> = []
        for id in ids {
            let run = nodes.first { $0.number == id.node }?.run
            guard let driver = run?.loop.driver(group), driver.id == id else {
                found.append("replica \(id.rawValue) of group \(group.number) is missing")
                continue
            }
            applied.insert(driver.appliedIndex.rawValue)
            let conf = driver.store.confState
            if (conf.voters + conf.learners).sorted() != ids || !conf.votersOutgoing.isEmpty {
                found.append("replica \(id.rawValue) of group \(group.number) is in \(conf.voters.map(\.rawValue))")
            }
        }
        for node in running {
            if node.run?.dropping.contains(group) == true { found.append("group \(group.number) is being dropped") }
            guard let driver = node.run?.loop.driver(group), !ids.contains(driver.id) else { continue }
            found.append("replica \(driver.id.rawValue) of group \(group.number) is still here")
        }
        if applied.count > 1 { found.append("group \(group.number) has applied \(applied.sorted())") }
        return found
    }

    private func describeStuck() -> String {
        let waiting = clients.filter { !$0.isDone }.map { "client \($0.id)" }
        let states = running.compactMap(\.run).flatMap { run in
            run.loop.status(tickMilliseconds: 1).map { describe($0, run) }
        }
        return "too long without faults: \(waiting) wait; joining \(joining ?? "nobody"); "
            + "\(unsettled.joined(separator: ", "));\n" + states.joined(separator: "\n")
    }

    private func describe(_ status: GroupStatus, _ run: NodeRun) -> String {
        func serials(_ ids: [ReplicaID]) -> [UInt32] { ids.map(\.serial) }
        let conf = status.configuration
        let members =
            "voters \(serials(conf.voters)) outgoing \(serials(conf.votersOutgoing)) learners \(serials(conf.learners))"
        let log = "\(status.firstIndex.rawValue)...\(status.lastIndex.rawValue)"
        return "node \(run.number) group \(status.group.number) replica \(status.replica.serial) \(status.role) "
            + "term \(status.term.rawValue) commit \(status.commit.rawValue) applied \(status.applied.rawValue) of \(log) "
            + members + (run.loop.isStalled ? " stalled" : "") + progress(status)
    }

    /// What a leader knows of the others.
    private func progress(_ status: GroupStatus) -> String {
        status.progress.filter { $0.id != status.replica }.map { peer in
            let known = peer.progress
            return " [\(peer.id.serial): \(known.state) match \(known.match.rawValue) next \(known.next.rawValue) "
                + "pending \(known.pendingSnapshot.rawValue) active \(known.isRecentlyActive)]"
        }.joined()
    }
}
