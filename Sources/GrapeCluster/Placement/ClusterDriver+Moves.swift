import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage

extension ClusterDriver {
    // MARK: Groups led here

    /// Takes every group that this node leads a step towards the configuration that the catalog wants; one that can't decide
    /// holds up no other.
    func takeMovesFurther(_ layout: ClusterLayout) async {
        state.withLock { $0.moves.retain(layout) }
        await withTaskGroup(of: Void.self) { tasks in
            for status in consensus.status() where status.role == .leader && status.hasCommittedInTerm {
                let action = next(status, layout)
                if action != .none { tasks.addTask { await self.carryOut(action, status.group) } }
            }
        }
    }

    private func next(_ status: GroupStatus, _ layout: ClusterLayout) -> MoveDriver.Action {
        let now = now
        return state.withLock { state in
            let view = state.view
            guard case .shard(let shard) = status.group else {
                return state.moves.nextOfCatalog(
                    status, layout, liveness: { view.liveness($0, at: now) },
                    report: { view.report(of: $0, status.group) })
            }
            return state.moves.next(
                status, shard, layout, liveness: { view.liveness($0, at: now) },
                report: { view.report(of: $0, status.group) })
        }
    }

    private func carryOut(_ action: MoveDriver.Action, _ group: LogGroup) async {
        switch action {
        case .none: break
        case .change(let change):
            _ = await consensus.changeConfiguration(group, change, deadline: .now + Self.patience)
        case .transfer(let heir): consensus.transferLeadership(of: group, to: heir)
        case .commit(let command):
            guard await commit(command) else { return }
            if case .finishMove(let shard, let id) = command {
                logger.info("a move is finished", metadata: ["shard": "\(shard)", "move": "\(id)"])
            } else if case .cancelMove(let shard, let id) = command {
                logger.notice("a move is given up", metadata: ["shard": "\(shard)", "move": "\(id)"])
            }
        }
    }

    // MARK: The catalog's leader

    /// Plans, spreads leaders, removes who has left, finishes collections that nobody else finishes.
    func lead(_ layout: ClusterLayout) async {
        guard let catalog = consensus.status().first(where: { $0.group == .catalog }), catalog.role == .leader,
            catalog.hasCommittedInTerm
        else { return }
        await finishCollections()
        await removeLeavers(layout, catalog)
        await renewCatalogReplicas(layout)
        if let count = options.cluster?.replicaCount, count != layout.replicaCount {
            _ = await commit(.setReplicaCount(count))
        }
        var planner = planner(layout)
        for plan in planner.plans() {
            _ = await commit(
                .startMove(plan.shard, adding: plan.adding, removing: plan.removing, startedAt: Self.wallClock))
        }
        balanceLeaders(layout)
    }

    func planner(_ layout: ClusterLayout) -> PlacementPlanner {
        let view = state.withLock { $0.view }
        return PlacementPlanner(
            layout: layout, view: view, at: now, threshold: options.cluster?.rebalanceThreshold ?? 0)
    }

    private func renewCatalogReplicas(_ layout: ClusterLayout) async {
        let now = now
        let view = state.withLock { $0.view }
        for member in layout.members where member.state == .member && view.liveness(member.number, at: now) == .alive {
            guard let own = view.report(member.number)?.group(.catalog), own.isLost, own.serial == member.catalogSerial
            else { continue }
            _ = await commit(.renewCatalogReplica(ReplicaPlace(node: member.number, serial: member.catalogSerial)))
        }
        await renewDamagedCatalogReplica(layout, view, now)
    }

    private func removeLeavers(_ layout: ClusterLayout, _ catalog: GroupStatus) async {
        for member in layout.members where member.state == .leaving {
            let mayGo = state.withLock { state in
                let view = state.view
                return state.moves.mayRemove(member, catalog, layout) { view.report(of: $0, .catalog) }
            }
            guard mayGo else { continue }
            if await commit(.remove(member.number)) {
                logger.info("a member has left", metadata: ["node_id": "\(member.nodeID)"])
            }
        }
    }

    private func balanceLeaders(_ layout: ClusterLayout) {
        let now = now
        let view = state.withLock { $0.view }
        var leaders: [ShardID: NodeNumber] = [:]
        for number in layout.placements.indices {
            let shard = ShardID(UInt16(number))
            leaders[shard] = consensus.leader(of: .shard(shard)) ?? view.leader(of: .shard(shard), at: now)?.node
        }
        let transfer = LeaderBalance.next(layout, leaders: leaders) { view.canLead($0, $1, at: now) }
        guard let transfer else { return }
        if transfer.from == node {
            consensus.transferLeadership(of: transfer.group, to: transfer.to)
        } else {
            Task {
                _ = try? await router.ask(
                    .transferLeadership(transfer.group, to: transfer.to.rawValue), transfer.from, lane: .quick,
                    .now + Self.patience)
            }
        }
    }

    /// Collections whose maker or dropper did not come to the end.
    private func finishCollections() async {
        let now = now
        await discardAbandoned()
        for entry in engine.catalog.sortedEntries where entry.phase == .creating || entry.phase == .dropping {
            let since = state.withLock { state in
                let since = state.unfinishedSince[entry.schema.id] ?? now
                state.unfinishedSince[entry.schema.id] = since
                return since
            }
            guard now > since + 5_000 else { continue }
            let change = CatalogChange(id: entry.schema.id, version: entry.version, phase: entry.phase)
            try? await router.finish(change, deadline: .now + Self.patience)
            state.withLock { $0.unfinishedSince[entry.schema.id] = nil }
        }
    }

    /// Collections that a restore fills no more: for long nothing came.
    private func discardAbandoned() async {
        let now = now
        let restoring = engine.catalog.sortedEntries.filter { $0.phase == .restoring }.map(\.schema.id)
        state.withLock { state in state.restoring = state.restoring.filter { restoring.contains($0.key) } }
        for id in restoring {
            let points = (try? engine.pointCount(id)) ?? 0
            let isAbandoned = state.withLock { state in
                guard let known = state.restoring[id], known.points == points else {
                    state.restoring[id] = (points, now)
                    return false
                }
                return now > known.since + Self.restorePatience
            }
            guard isAbandoned else { continue }
            logger.notice("a restore was given up by whoever began it", metadata: ["collection": "\(id)"])
            _ = try? await router.commit(.discard(id), deadline: .now + Self.patience)
        }
    }

    /// Milliseconds in which a restore that goes on brings points.
    private static var restorePatience: UInt64 { 600_000 }

    func commit(_ command: LayoutCommand) async -> Bool {
        guard case .layout(.done)? = try? await router.commit(.layout(command), deadline: .now + Self.patience) else {
            return false
        }
        return true
    }

    private static var wallClock: UInt64 { ProcessStatistics.millisecondsSince1970 }
}
