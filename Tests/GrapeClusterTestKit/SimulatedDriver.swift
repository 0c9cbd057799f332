import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage
import GrapeTestKit

/// `ClusterDriver` without threads: reports, replicas as the catalog wants them, moves a step further, and on the catalog's
/// leader the plans. What it decides is decided by the same values: `PlacementPlanner`, `MoveStep`, `LeaderBalance`,
/// `ClusterView`.
final class SimulatedDriver {
    private unowned let run: NodeRun
    private var world: ClusterWorld { run.world }
    private var view: ClusterView
    private var ticks = 0
    private var moves = MoveDriver()
    private var isPlanning = false
    private var finishing: [CollectionID: UInt64] = [:]

    init(_ run: NodeRun) {
        self.run = run
        let election = UInt64(run.world.options.electionTicks) * 1_000
        view = ClusterView(suspectAfter: 3 * election + 20_000, deadAfter: 150_000)
    }

    func tick() {
        ticks += 1
        guard ticks % world.options.driverTicks == 0 else { return }
        let layout = trustedLayout(run.engine.catalog.layout)
        view.expect(layout.members.map(\.number), at: world.now)
        tell(layout)
        run.loop.noteAppliedElsewhere(view.appliedElsewhere(layout, seenFrom: run.number))
        keepReplicas(layout)
        takeMovesFurther(layout)
        if ticks / world.options.driverTicks % 3 == 0 { lead(layout) }
    }

    /// Where the replica of the catalog lost what it had and applies nothing any more, another member is asked for a newer
    /// layout, which tells of the replica that takes its place.
    private func trustedLayout(_ layout: ClusterLayout) -> ClusterLayout {
        guard run.loop.driver(.catalog)?.isLost == true else { return layout }
        for member in layout.members where member.number != run.number {
            guard let other = world.layoutOfNode(member.number), let known = layout.member(run.number)?.catalogSerial,
                let newer = other.member(run.number)?.catalogSerial, newer >= known,
                other.nextSerial > layout.nextSerial
            else { continue }
            return other
        }
        return layout
    }

    func received(_ bytes: [UInt8]) {
        guard let report = NodeReport(encoded: bytes) else { return world.note(.coreRefused, "a report can't be read") }
        view.take(report, at: world.now)
    }

    func leader(of group: LogGroup) -> NodeNumber? { view.leader(of: group, at: world.now)?.node }

    private var status: [GroupStatus] { run.loop.status(tickMilliseconds: 1) }

    private func isAlive(_ node: NodeNumber) -> Bool {
        node == run.number || view.liveness(node, at: world.now) == .alive
    }

    private func tell(_ layout: ClusterLayout) {
        let groups = status.map { status in
            NodeReport.Group(
                group: status.group, serial: status.replica.serial, isLeader: status.role == .leader,
                isLearner: status.isLearner, isLost: status.isLost, isInstalling: status.isInstalling,
                isConfigurationDurable: status.isConfigurationDurable,
                term: status.term.rawValue, applied: status.applied.rawValue, points: 0, bytes: 0)
        }
        let report = NodeReport(
            number: run.number, raftAddress: nil, uptimeSeconds: 0, freeBytes: 0, residentBytes: 0, groups: groups)
        view.take(report, at: world.now)
        for member in layout.members where member.number != run.number {
            world.send(.report(report.encoded), from: run.node.place, toNode: member.number)
        }
    }

    private func keepReplicas(_ layout: ClusterLayout) {
        guard run.dropping.isEmpty else { return }
        let present = Dictionary(uniqueKeysWithValues: status.map { ($0.group, $0.replica.serial) })
        let changes = HeldReplicas.next(layout, on: run.number, present: present)
        run.happen { () throws(StorageError) in
            for group in changes.dropped { try self.run.dropReplica(of: group) }
            for new in changes.made {
                try self.run.createReplica(ReplicaID(node: self.run.number, serial: new.serial), of: new.group)
            }
        }
    }

    // MARK: Groups led here

    private func takeMovesFurther(_ layout: ClusterLayout) {
        moves.retain(layout)
        for status in status where status.role == .leader && status.hasCommittedInTerm {
            switch status.group {
            case .catalog:
                let action = moves.nextOfCatalog(status, layout, liveness: liveness) {
                    view.report(of: $0, .catalog)
                }
                carryOut(action, status.group)
            case .shard(let shard):
                if let end = earlyEnd(status, shard, layout) { return carryOut(end, status.group) }
                let action = moves.next(status, shard, layout, liveness: liveness) { replica in
                    view.report(replica.node)?.group(.shard(shard)).flatMap { $0.serial == replica.serial ? $0 : nil }
                }
                carryOut(action, status.group)
            }
        }
    }

    /// Planted.
    private func earlyEnd(_ status: GroupStatus, _ shard: ShardID, _ layout: ClusterLayout) -> MoveDriver.Action? {
        guard world.options.plantedBug == .moveFinishedEarly, let move = layout.placement(shard)?.move,
            let new = move.adding,
            status.configuration.voters.contains(ReplicaID(node: new.node, serial: new.serial))
        else { return nil }
        return .commit(.finishMove(shard, id: move.id))
    }

    private func liveness(_ node: NodeNumber) -> ClusterView.Liveness {
        node == run.number ? .alive : view.liveness(node, at: world.now)
    }

    private func carryOut(_ action: MoveDriver.Action, _ group: LogGroup) {
        switch action {
        case .none: break
        case .transfer(let heir): run.loop.transferLeadership(of: group, to: heir)
        case .change(var change):
            if world.options.plantedBug == .fourVoters, let new = change.steps.first(where: { $0.action == .addVoter })
            {
                change = ConfChange([new])
            }
            run.change(group, change)
        case .commit(let command):
            let isEnd = if case .finishMove = command { true } else { false }
            commit(command) { [unowned self] isDone in
                if isDone { world.coverage.count(isEnd ? .movesFinished : .movesCancelled) }
            }
        }
    }

    private func commit(_ command: LayoutCommand, then done: @escaping (Bool) -> Void) {
        run.router.commit(.layout(command), deadline: world.now + 60_000) { outcome in
            if case .layout(.done) = outcome { done(true) } else { done(false) }
        }
    }

    // MARK: The catalog's leader

    private func lead(_ layout: ClusterLayout) {
        guard let catalog = status.first(where: { $0.group == .catalog }), catalog.role == .leader,
            catalog.hasCommittedInTerm, !isPlanning
        else { return }
        finishCollections()
        removeLeavers(layout, catalog)
        renewCatalogReplicas(layout)
        var planner = PlacementPlanner(layout: layout, nodes: nodes(layout), threshold: 0)
        for plan in planner.plans() {
            isPlanning = true
            let command = LayoutCommand.startMove(
                plan.shard, adding: plan.adding, removing: plan.removing, startedAt: 0)
            commit(command) { [unowned self] isDone in
                isPlanning = false
                if isDone { world.coverage.count(.movesStarted) }
            }
        }
        balanceLeaders(layout)
    }

    private func nodes(_ layout: ClusterLayout) -> [PlacementPlanner.Node] {
        layout.members.map { member in
            PlacementPlanner.Node(
                number: member.number,
                liveness: member.number == run.number ? .alive : view.liveness(member.number, at: world.now),
                isLeaving: member.state == .leaving, lost: lost(on: member, layout))
        }
    }

    private func lost(on member: Member, _ layout: ClusterLayout) -> Set<ShardID> {
        let groups = view.report(member.number)?.groups ?? []
        return Set(
            groups.compactMap { group in
                guard case .shard(let shard) = group.group, group.isLost,
                    layout.placement(shard)?.replicas.contains(ReplicaPlace(node: member.number, serial: group.serial))
                        == true
                else { return nil }
                return shard
            })
    }

    private func renewCatalogReplicas(_ layout: ClusterLayout) {
        for member in layout.members where member.state == .member && isAlive(member.number) {
            guard let own = view.report(member.number)?.group(.catalog), own.isLost, own.serial == member.catalogSerial
            else { continue }
            let old = ReplicaPlace(node: member.number, serial: member.catalogSerial)
            commit(.renewCatalogReplica(old)) { [unowned self] isDone in
                if isDone { world.coverage.count(.replicasRepaired) }
            }
        }
    }

    private func removeLeavers(_ layout: ClusterLayout, _ catalog: GroupStatus) {
        for member in layout.members where member.state == .leaving {
            guard moves.mayRemove(member, catalog, layout, report: { view.report(of: $0, .catalog) }) else { continue }
            commit(.remove(member.number)) { _ in }
        }
    }

    private func balanceLeaders(_ layout: ClusterLayout) {
        var leaders: [ShardID: NodeNumber] = [:]
        for number in layout.placements.indices {
            let shard = ShardID(UInt16(number))
            leaders[shard] = leader(of: .shard(shard))
        }
        let transfer = LeaderBalance.next(layout, leaders: leaders) { shard, replica in
            guard isAlive(replica.node), let own = view.report(replica.node)?.group(.shard(shard)),
                own.serial == replica.serial, !own.isLearner, !own.isLost, !own.isInstalling
            else { return false }
            return true
        }
        guard let transfer else { return }
        if transfer.from == run.number {
            run.loop.transferLeadership(of: transfer.group, to: transfer.to)
        } else {
            world.send(.transfer(transfer.group, to: transfer.to), from: run.node.place, toNode: transfer.from)
        }
    }

    private func finishCollections() {
        for entry in run.engine.catalog.sortedEntries where entry.phase != .ready {
            let since = finishing[entry.schema.id] ?? world.now
            finishing[entry.schema.id] = since
            guard world.now > since + 30_000 else { continue }
            finishing[entry.schema.id] = world.now
            run.router.finish(entry, deadline: world.now + 60_000)
        }
    }
}
