import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeTestKit

/// A cluster of toy groups in which the real planner, move driver, leader balance and the rest do their work, each node by
/// its own, perhaps old, copy of the layout and by reports that may be lost.
struct ToyCluster {
    static let suspectAfter: UInt64 = 1_000
    static let deadAfter: UInt64 = 6_000

    private(set) var layout: ClusterLayout
    private(set) var groups: [LogGroup: ToyGroup] = [:]
    private(set) var isUp: [NodeNumber: Bool] = [:]
    /// Nodes that never come back.
    private(set) var gone: Set<NodeNumber> = []
    private var copies: [NodeNumber: ClusterLayout] = [:]
    private var views: [NodeNumber: ClusterView] = [:]
    private var drivers: [NodeNumber: MoveDriver] = [:]
    /// Of each node's groups the serial of its replica.
    private var held: [NodeNumber: [LogGroup: UInt32]] = [:]
    private(set) var now: UInt64 = 0
    private var random: Xoshiro256
    /// Of actions and reports; as many actions are done twice.
    var lossMillionths = 0
    private(set) var maxVoters = 0
    private(set) var maxMoves = 0

    init(nodes: Int, shards: Int = 16, replicas: Int = 3, seed: UInt64) {
        random = Xoshiro256(seed: seed)
        layout = InitialLayout.make(
            founders: (1...nodes).map { Self.greeting($0) }, shardCount: shards, replicaCount: replicas)
        for member in layout.members { begin(member.number) }
        for member in layout.members {
            for founding in InitialLayout.replicas(of: member.number, in: layout) {
                held[member.number, default: [:]][founding.group] = founding.replica.serial
                if groups[founding.group] == nil {
                    groups[founding.group] = ToyGroup(founding.group, voters: founding.configuration.voters)
                }
            }
        }
    }

    private static func greeting(_ number: Int) -> Greeting {
        let address = HostPort(host: "n\(number)", port: 7_000)
        return Greeting(
            nodeID: "n\(number)", bootID: UInt64(number), initialPeers: [], shardCount: 16,
            addresses: MemberAddresses(grpc: address, rest: address, raft: address), version: "1")
    }

    private mutating func begin(_ number: NodeNumber) {
        isUp[number] = true
        copies[number] = layout
        views[number] = ClusterView(suspectAfter: Self.suspectAfter, deadAfter: Self.deadAfter)
        drivers[number] = MoveDriver()
    }

    var nodes: [NodeNumber] { isUp.keys.sorted() }
    var sortedGroups: [LogGroup] { groups.keys.sorted { $0.number < $1.number } }
    var violations: [String] { sortedGroups.flatMap { groups[$0]?.violations ?? [] } }

    func isNodeUp(_ number: NodeNumber) -> Bool { isUp[number] ?? false }

    // MARK: What happens to nodes

    mutating func crash(_ number: NodeNumber) {
        isUp[number] = false
        drivers[number] = MoveDriver()
    }

    mutating func restart(_ number: NodeNumber) {
        guard !gone.contains(number), !isNodeUp(number) else { return }
        isUp[number] = true
        views[number] = ClusterView(suspectAfter: Self.suspectAfter, deadAfter: Self.deadAfter)
    }

    /// The node burns down, if its groups can live without it.
    mutating func destroy(_ number: NodeNumber) -> Bool {
        guard canDoWithout(number) else { return false }
        crash(number)
        gone.insert(number)
        return true
    }

    /// The node's disk loses the end of its log: all of its replicas are lost, if their groups can live without them.
    mutating func loseLogs(_ number: NodeNumber) -> Bool {
        guard !gone.contains(number), canDoWithout(number) else { return false }
        for (group, serial) in held[number] ?? [:] { groups[group]?.lose(ReplicaID(node: number, serial: serial)) }
        return true
    }

    /// Also where a move is about to give the node's replica a vote.
    private func canDoWithout(_ number: NodeNumber) -> Bool {
        groups.values.allSatisfy { group in
            func isThere(_ replica: ReplicaID) -> Bool {
                replica.node != number && !gone.contains(replica.node) && group.ends[replica] != nil
                    && !group.lost.contains(replica)
            }
            guard group.hasMajority(isThere), group.canElect(isThere) else { return false }
            guard case .shard(let shard) = group.group else { return true }
            let target = layout.placement(shard)?.target ?? []
            return target.count { isThere(ReplicaID(node: $0.node, serial: $0.serial)) } > target.count / 2
        }
    }

    mutating func join(_ number: Int) -> NodeNumber? {
        let greeting = Self.greeting(number)
        guard groups[.catalog]?.leader != nil,
            case .member(let member) = layout.apply(
                .admit(
                    nodeID: greeting.nodeID, bootID: greeting.bootID, addresses: greeting.addresses,
                    version: greeting.version))
        else { return nil }
        if isUp[member.number] == nil { begin(member.number) }
        return member.number
    }

    /// As the call would: only where the check allows it.
    mutating func leave(_ number: NodeNumber) -> String? {
        let view = groups[.catalog]?.leader.flatMap { views[$0.node] } ?? ClusterView(suspectAfter: 0, deadAfter: 0)
        let planner = PlacementPlanner(layout: layout, view: view, at: now, threshold: 0)
        if let refusal = LeaveCheck.refusal(of: number, layout, nodes: planner.nodes, threshold: 0) { return refusal }
        _ = layout.apply(.leave(number))
        return nil
    }

    mutating func setReplicaCount(_ count: Int) { _ = layout.apply(.setReplicaCount(count)) }

    // MARK: Time passes

    mutating func tick() {
        now += 100
        for group in sortedGroups { groups[group]?.tick(isUp: { isUp[$0] ?? false }, &random) }
        if let leader = groups[.catalog]?.leader { copies[leader.node] = layout }
        for node in nodes where isNodeUp(node) {
            if random.below(2) == 0 { copies[node] = layout }
            views[node]?.expect(copies[node]?.members.map(\.number) ?? [], at: now)
            if random.below(3) == 0 { report(node) }
            if random.below(2) == 0 { keepReplicas(node) }
            if random.below(2) == 0 { drive(node) }
            if random.below(5) == 0 { lead(node) }
        }
        for group in groups.values {
            if group.group != .catalog { maxVoters = max(maxVoters, group.configuration.voters.count) }
        }
        maxMoves = max(maxMoves, layout.placements.count { $0.move != nil })
    }

    private mutating func isLost() -> Bool { random.chance(millionths: lossMillionths) }

    private mutating func report(_ node: NodeNumber) {
        let groups = (held[node] ?? [:]).sorted { $0.key.number < $1.key.number }.compactMap { group, serial in
            self.groups[group].map { state in
                let replica = ReplicaID(node: node, serial: serial)
                return NodeReport.Group(
                    group: group, serial: serial, isLeader: state.leader == replica,
                    isLearner: !state.configuration.voters.contains(replica), isLost: state.lost.contains(replica),
                    isInstalling: (state.applied[replica] ?? -1) < 0, term: state.term,
                    applied: UInt64(max(0, state.applied[replica] ?? -1)), points: 0, bytes: 0)
            }
        }
        let report = NodeReport(
            number: node, raftAddress: nil, uptimeSeconds: 0, freeBytes: 0, residentBytes: 0, groups: groups)
        guard let decoded = NodeReport(encoded: report.encoded), decoded == report else {
            preconditionFailure("a report does not survive its own bytes")
        }
        for other in nodes where isNodeUp(other) && !isLost() { views[other]?.take(decoded, at: now) }
    }

    private mutating func keepReplicas(_ node: NodeNumber) {
        guard var layout = copies[node] else { return }
        // A node whose own catalog is lost asks another one.
        if let serial = held[node]?[.catalog],
            groups[.catalog]?.lost.contains(ReplicaID(node: node, serial: serial)) == true
        {
            layout = self.layout
        }
        let changes = HeldReplicas.next(layout, on: node, present: held[node] ?? [:])
        for group in changes.dropped {
            guard let serial = held[node]?.removeValue(forKey: group) else { continue }
            groups[group]?.drop(ReplicaID(node: node, serial: serial))
        }
        for replica in changes.made {
            held[node, default: [:]][replica.group] = replica.serial
            groups[replica.group]?.make(ReplicaID(node: node, serial: replica.serial))
        }
    }

    private mutating func drive(_ node: NodeNumber) {
        guard let copy = copies[node], let view = views[node] else { return }
        drivers[node]?.retain(copy)
        for group in sortedGroups where groups[group]?.leader?.node == node {
            guard let status = groups[group]?.status(isUp: { isUp[$0] ?? false }) else { continue }
            let action: MoveDriver.Action?
            if case .shard(let shard) = group {
                action = drivers[node]?.next(
                    status, shard, copy, liveness: { view.liveness($0, at: now) },
                    report: { view.report(of: $0, group) })
            } else {
                action = drivers[node]?.nextOfCatalog(
                    status, copy, liveness: { view.liveness($0, at: now) }, report: { view.report(of: $0, group) })
            }
            guard let action else { continue }
            carryOut(action, group)
            if isLost() { carryOut(action, group) }
        }
    }

    private mutating func carryOut(_ action: MoveDriver.Action, _ group: LogGroup) {
        guard !isLost() else { return }
        switch action {
        case .none: break
        case .change(let change): groups[group]?.change(change)
        case .transfer(let heir): groups[group]?.transfer(to: heir) { isUp[$0] ?? false }
        case .commit(let command): commit(command)
        }
    }

    private mutating func commit(_ command: LayoutCommand) {
        guard groups[.catalog]?.leader != nil, !isLost() else { return }
        _ = layout.apply(command)
        if isLost() { _ = layout.apply(command) }
    }

    /// What the node that leads the catalog does once a second.
    private mutating func lead(_ node: NodeNumber) {
        guard groups[.catalog]?.leader?.node == node, let view = views[node],
            let status = groups[.catalog]?.status(isUp: { isUp[$0] ?? false })
        else { return }
        let layout = layout
        for member in layout.members {
            if drivers[node]?.mayRemove(member, status, layout, report: { view.report(of: $0, .catalog) }) == true {
                commit(.remove(member.number))
            }
            if let own = view.report(member.number)?.group(.catalog), own.isLost, own.serial == member.catalogSerial {
                commit(.renewCatalogReplica(ReplicaPlace(node: member.number, serial: own.serial)))
            }
        }
        var planner = PlacementPlanner(layout: layout, view: view, at: now, threshold: 0)
        for plan in planner.plans() {
            commit(.startMove(plan.shard, adding: plan.adding, removing: plan.removing, startedAt: now))
        }
        var leaders: [ShardID: NodeNumber] = [:]
        for number in layout.placements.indices {
            let shard = ShardID(UInt16(number))
            leaders[shard] = view.leader(of: .shard(shard), at: now)?.node
        }
        if let transfer = LeaderBalance.next(layout, leaders: leaders, isReady: { view.canLead($0, $1, at: now) }) {
            carryOut(.transfer(transfer.to), transfer.group)
        }
    }

    // MARK: What is seen

    /// Why it is not yet as it should be; nil where it is.
    var unrest: String? {
        let able = layout.members.filter { $0.state == .member && !gone.contains($0.number) }.map(\.number)
        if let leaver = layout.members.first(where: { $0.state == .leaving }) {
            return "\(leaver.nodeID) is still leaving"
        }
        for (number, placement) in layout.placements.enumerated() {
            guard placement.move == nil, let group = groups[.shard(ShardID(UInt16(number)))] else {
                return "shard \(number) moves"
            }
            let wanted = placement.replicas.map { ReplicaID(node: $0.node, serial: $0.serial) }.sorted()
            guard group.configuration == ConfState(voters: wanted) else {
                return "shard \(number): \(group.configuration)"
            }
            guard group.leader != nil else { return "shard \(number) has no leader" }
            let living = placement.replicas.filter { able.contains($0.node) }
            let isFull = living.count == min(layout.replicaCount, able.count)
            guard isFull, wanted.allSatisfy({ !group.lost.contains($0) || gone.contains($0.node) }) else {
                return "shard \(number) lacks replicas"
            }
        }
        return unrestOfCatalog(able) ?? unrestOfShares(able)
    }

    private func unrestOfCatalog(_ able: [NodeNumber]) -> String? {
        guard let group = groups[.catalog], group.leader != nil else { return "the catalog has no leader" }
        let conf = group.configuration
        let seats = CatalogSeats.votersCount(members: able.count)
        let living = conf.voters.filter { able.contains($0.node) && !group.lost.contains($0) }
        let isSound =
            conf.votersOutgoing.isEmpty && living.count >= seats && living.count > conf.voters.count / 2
            && Set(conf.voters + conf.learners)
                == Set(layout.members.map { ReplicaID(node: $0.number, serial: $0.catalogSerial) })
        return isSound ? nil : "catalog: \(conf)"
    }

    private func unrestOfShares(_ able: [NodeNumber]) -> String? {
        let placements = layout.placements
        let replicas = able.map { node in placements.count { $0.replicas.contains { $0.node == node } } }
        let total = replicas.reduce(0, +)
        if (replicas.max() ?? 0) > (total + able.count - 1) / able.count { return "replicas \(replicas)" }
        let leaders = able.map { node in
            placements.indices.count { groups[.shard(ShardID(UInt16($0)))]?.leader?.node == node }
        }
        if (leaders.max() ?? 0) > (placements.count + able.count - 1) / able.count { return "leaders \(leaders)" }
        return nil
    }

    var leaderCounts: [Int] {
        nodes.map { node in
            layout.placements.indices.count { groups[.shard(ShardID(UInt16($0)))]?.leader?.node == node }
        }
    }

    /// All nodes that can run do, nothing is lost any more. -> ticks until all is as it should be; nil: never.
    mutating func settle(ticks: Int = 6_000) async -> Int? {
        lossMillionths = 0
        for node in nodes { restart(node) }
        for tick in 0..<ticks {
            if tick % 50 == 0 { await Task.yield() }  // Tests beside it share the threads.
            self.tick()
            if unrest == nil { return tick }
        }
        return nil
    }
}
