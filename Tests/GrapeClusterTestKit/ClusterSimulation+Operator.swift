import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeTestKit

/// What an operator does: founds the cluster, makes and drops collections, lets nodes join and leave, loses disks.
extension ClusterSimulation {
    func found() throws(Violation) {
        let options = world.options
        var serial: UInt32 = 1
        func next() -> UInt32 {
            defer { serial += 1 }
            return serial
        }
        let members = (1...options.founders).map { Self.member("node-\($0)", NodeNumber(UInt32($0)), next()) }
        let placements = (0..<options.shards).map { shard in
            ShardPlacement(
                replicas: (0..<min(options.replicaCount, members.count)).map { replica in
                    ReplicaPlace(node: members[(shard + replica) % members.count].number, serial: next())
                })
        }
        let layout = ClusterLayout(
            members: members, placements: placements, replicaCount: options.replicaCount,
            nextNode: UInt32(members.count + 1), nextSerial: serial)
        for member in members { try found(member, layout) }
        for client in clients.indices {
            world.queue.push(Event(time: UInt64(client) * 100, kind: .clientWake, target: client))
        }
        world.queue.push(Event(time: 1_000, kind: .faults, target: 0))
        world.queue.push(Event(time: 5_000, kind: .membership, target: 0))
    }

    private func found(_ member: Member, _ layout: ClusterLayout) throws(Violation) {
        let node = try addNode(member.number)
        var foundings: [(LogGroup, ReplicaID, ConfState)] = []
        for (number, placement) in layout.placements.enumerated() {
            let ids = placement.replicas.map { ReplicaID(node: $0.node, serial: $0.serial) }
            guard let own = ids.first(where: { $0.node == member.number }) else { continue }
            foundings.append((.shard(ShardID(UInt16(number))), own, ConfState(voters: ids.sorted())))
        }
        let ids = layout.members.map { ReplicaID(node: $0.number, serial: $0.catalogSerial) }
        let own = ReplicaID(node: member.number, serial: member.catalogSerial)
        foundings.append((.catalog, own, ConfState(voters: ids.sorted())))
        do {
            try node.run?.found(layout, foundings)
        } catch {
            throw Violation(.storage, "\(error)")
        }
    }

    private static func member(_ name: String, _ number: NodeNumber, _ serial: UInt32) -> Member {
        Member(
            number: number, nodeID: name, bootID: bootID(name), addresses: addresses, version: "1",
            catalogSerial: serial)
    }

    private static func bootID(_ name: String) -> UInt64 { TraceHash.of(Array(name.utf8)) }

    private static var addresses: MemberAddresses {
        let address = HostPort(host: "simulated", port: 1)
        return MemberAddresses(grpc: address, rest: address, raft: address)
    }

    // MARK: Steps

    func operatorStep() throws(Violation) {
        world.queue.push(Event(time: world.now + 5_000, kind: .membership, target: 0))
        retireRemoved()
        guard let run = running.isEmpty ? nil : running[memberRandom.below(running.count)].run else { return }
        keepCollections(run)
        try goOnJoining(run)
        goOnLeaving(run)
        guard isOperating, joining == nil, leaving == nil else { return }
        if memberRandom.chance(millionths: world.options.rate(.move)), memberRandom.below(4) == 0 { beginJoin() }
        guard memberRandom.chance(millionths: world.options.rate(.membership)) else { return }
        loseLearner()
        if leaving == nil, memberRandom.below(3) == 0 { beginLeave() }
    }

    var running: [SimulatedNode] { nodes.filter { $0.run != nil } }

    /// The layout that the furthest node knows.
    var newestLayout: ClusterLayout {
        let newest = running.compactMap(\.run).max {
            ($0.engine.appliedIndex(of: .catalog), $1.number) < ($1.engine.appliedIndex(of: .catalog), $0.number)
        }
        return newest?.engine.catalog.layout ?? ClusterLayout()
    }

    /// Machines that the catalog no longer knows are switched off.
    private func retireRemoved() {
        let layout = newestLayout
        for node in running where node.number.rawValue < layout.nextNode && layout.member(node.number) == nil {
            world.coverage.count(.membersLeft)
            node.end()
        }
    }

    private func keepCollections(_ run: NodeRun) {
        let catalog = run.engine.catalog
        let deadline = world.now + 50_000
        if catalog.entry(named: SimulatedRouter.collection) == nil { make(SimulatedRouter.collection, run, deadline) }
        guard isOperating, memberRandom.below(12) == 0 else { return }
        if catalog.entry(named: "other") == nil { return make("other", run, deadline) }
        run.happen {
            run.router.commit(.drop(name: "other"), deadline: deadline) { outcome in
                guard case .done(let id, _) = outcome, let entry = run.engine.catalog.entry(id) else { return }
                run.router.finish(entry, deadline: deadline)
            }
        }
    }

    private func make(_ name: String, _ run: NodeRun, _ deadline: UInt64) {
        run.happen {
            run.router.commit(.create(name: name, vectors: [VectorSchema(dimension: 2)]), deadline: deadline) {
                outcome in
                guard case .done(let id, _) = outcome, let entry = run.engine.catalog.entry(id) else { return }
                run.router.finish(entry, deadline: deadline)
            }
        }
    }

    // MARK: Members

    private func beginJoin() {
        guard newestLayout.members.count < 6, nodes.count < ClusterOptions.placesMax else { return }
        joined += 1
        joining = "joiner-\(joined)"
    }

    private func goOnJoining(_ run: NodeRun) throws(Violation) {
        guard let name = joining else { return }
        if let member = newestLayout.member(named: name) { return try take(member) }
        run.happen {
            run.router.commit(
                .layout(
                    .admit(nodeID: name, bootID: Self.bootID(name), addresses: Self.addresses, version: "1")),
                deadline: self.world.now + 40_000
            ) { _ in }
        }
    }

    /// The catalog has given the joiner its number: it begins with an empty replica of the catalog, and the layout that it was
    /// told.
    private func take(_ member: Member) throws(Violation) {
        joining = nil
        world.coverage.count(.membersJoined)
        let node = try addNode(member.number)
        do {
            try node.run?.join(newestLayout, as: ReplicaID(node: member.number, serial: member.catalogSerial))
        } catch {
            throw Violation(.storage, "\(error)")
        }
    }

    /// A node leaves in peace where others are left to take what it has, or its disk is lost and it is told to leave.
    private func beginLeave() {
        let layout = newestLayout
        let settled = layout.members.filter { $0.state == .member }
        guard settled.count == layout.members.count, !settled.isEmpty else { return }
        let number = settled[memberRandom.below(settled.count)].number
        guard layout.placements.allSatisfy({ $0.move == nil }) || memberRandom.below(4) == 0 else { return }
        if settled.count > 3 || settled.count > 1 && world.options.replicaCount == 1 {
            leaving = number
            return
        }
        guard settled.count == 3, memberRandom.below(2) == 0, canLose(number, layout) else { return }
        world.coverage.count(.nodesWiped)
        lose(number)
    }

    /// A machine breaks before its first vote counts, or just when it does: the other voters are enough.
    private func loseLearner() {
        let large = newestLayout.placements.filter { $0.replicas.count >= 3 }
        let learners = large.compactMap { $0.move?.adding?.node }
        guard let number = learners.first, newestLayout.member(number)?.state == .member,
            canLose(number, newestLayout)
        else { return }
        world.coverage.count(.learnersWiped)
        lose(number)
    }

    private func lose(_ number: NodeNumber) {
        nodes.first { $0.number == number }?.end()
        leaving = number
    }

    /// Every group has two other voters, all of them up and whole, and no change under way.
    func canLose(_ number: NodeNumber, _ layout: ClusterLayout) -> Bool {
        guard running.count == layout.members.count else { return false }
        return LogGroup.all(shardCount: world.options.shards).allSatisfy { group in
            let drivers = running.compactMap { $0.run?.loop.driver(group) }
            guard let conf = drivers.first?.store.confState, conf.voters.count >= 3, conf.votersOutgoing.isEmpty else {
                return false
            }
            let whole = drivers.filter { $0.store.confState == conf && !$0.isLost }.map(\.id)
            return drivers.count == whole.count && conf.voters.allSatisfy(whole.contains)
        }
    }

    private func goOnLeaving(_ run: NodeRun) {
        guard let number = leaving else { return }
        guard let member = newestLayout.member(number), member.state == .member else { return leaving = nil }
        run.happen {
            run.router.commit(.layout(.leave(number)), deadline: self.world.now + 40_000) { _ in }
        }
    }
}
