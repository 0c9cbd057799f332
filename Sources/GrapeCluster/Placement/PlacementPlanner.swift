import GrapeEngine
import GrapeModel

/// Decides which replica is to come or go next: a function of the layout and of what the nodes report. It plans one change
/// a shard, a few at a time; carried out they change the layout, and it is asked again.
package struct PlacementPlanner: Sendable {
    package struct Node: Sendable {
        package var number: NodeNumber
        package var liveness: ClusterView.Liveness
        package var isLeaving: Bool
        /// Replicas here that may have lost what they acknowledged.
        package var lost: Set<ShardID>
        /// Replicas here that vote, but whose rows or log can't be trusted.
        package var damaged: Set<ShardID>

        package init(
            number: NodeNumber, liveness: ClusterView.Liveness, isLeaving: Bool, lost: Set<ShardID> = [],
            damaged: Set<ShardID> = []
        ) {
            self.number = number
            self.liveness = liveness
            self.isLeaving = isLeaving
            self.lost = lost
            self.damaged = damaged
        }
    }

    package struct Plan: Sendable, Hashable {
        package var shard: ShardID
        package var adding: NodeNumber?
        package var removing: ReplicaPlace?
    }

    /// Changes under way in the whole cluster; those that can't go on because their group has no majority are not counted.
    package static let movesMax = 4
    private static let outlookMax = 1_024

    let layout: ClusterLayout
    package let nodes: [Node]
    let threshold: Double
    /// Replicas of each node when all moves under way are done.
    private var load: [NodeNumber: Int] = [:]

    package init(layout: ClusterLayout, nodes: [Node], threshold: Double) {
        self.layout = layout
        self.nodes = nodes.sorted { $0.number < $1.number }
        self.threshold = threshold
        for placement in layout.placements {
            for replica in placement.target { load[replica.node, default: 0] += 1 }
        }
    }

    /// By what the nodes say.
    package init(layout: ClusterLayout, view: ClusterView, at now: UInt64, threshold: Double) {
        let nodes = layout.members.map { member in
            func shards(_ isMeant: (NodeReport.Group) -> Bool) -> Set<ShardID> {
                let own = (view.report(member.number)?.groups ?? []).compactMap { group -> ShardID? in
                    guard case .shard(let shard) = group.group, isMeant(group), let placement = layout.placement(shard),
                        placement.replicas.contains(ReplicaPlace(node: member.number, serial: group.serial))
                    else { return nil }
                    return shard
                }
                return Set(own)
            }
            return Node(
                number: member.number, liveness: view.liveness(member.number, at: now),
                isLeaving: member.state == .leaving, lost: shards(\.isLost), damaged: shards(\.isDamaged))
        }
        self.init(layout: layout, nodes: nodes, threshold: threshold)
    }

    /// The changes to begin now, the most urgent first.
    package mutating func plans() -> [Plan] {
        var free = Self.movesMax
        for (shard, placement) in shards where placement.move != nil && decides(placement.replicas, shard) { free -= 1 }
        var plans: [Plan] = []
        for reason in Reason.allCases {
            for (shard, placement) in shards where placement.move == nil && free > 0 {
                guard !plans.contains(where: { $0.shard == shard }), let plan = plan(reason, shard, placement),
                    isSound(plan, placement)
                else { continue }
                note(plan)
                plans.append(plan)
                free -= 1
            }
        }
        while free > 0, let plan = balance(except: plans) {
            note(plan)
            plans.append(plan)
            free -= 1
        }
        return plans
    }

    /// All changes that would follow each other if nothing else happened, and what they lead to: what a call for a rebalance
    /// announces.
    package func outlook() -> (plans: [Plan], layout: ClusterLayout) {
        var layout = layout
        var nodes = nodes
        var all: [Plan] = []
        while all.count < Self.outlookMax {
            for (number, placement) in layout.placements.enumerated() {
                guard let move = placement.move else { continue }
                _ = layout.apply(.finishMove(ShardID(UInt16(number)), id: move.id))
            }
            var planner = PlacementPlanner(layout: layout, nodes: nodes, threshold: threshold)
            let plans = planner.plans()
            if plans.isEmpty { break }
            for plan in plans {
                for place in nodes.indices where nodes[place].number == plan.removing?.node {
                    nodes[place].lost.remove(plan.shard)
                    nodes[place].damaged.remove(plan.shard)
                }
                _ = layout.apply(.startMove(plan.shard, adding: plan.adding, removing: plan.removing, startedAt: 0))
            }
            all += plans
        }
        return (all, layout)
    }

    private var shards: [(ShardID, ShardPlacement)] {
        layout.placements.enumerated().map { (ShardID(UInt16($0.offset)), $0.element) }
    }

    private mutating func note(_ plan: Plan) {
        if let node = plan.adding { load[node, default: 0] += 1 }
        if let removed = plan.removing { load[removed.node, default: 0] -= 1 }
    }

    // MARK: Reasons

    /// The most urgent first.
    private enum Reason: CaseIterable {
        case repair, evacuate, complete, trim
    }

    private func plan(_ reason: Reason, _ shard: ShardID, _ placement: ShardPlacement) -> Plan? {
        switch reason {
        case .repair: repair(shard, placement)
        case .evacuate: evacuate(shard, placement)
        case .complete: complete(shard, placement)
        case .trim: trim(shard, placement)
        }
    }

    /// A replica that lost its log is made anew on its node; so is one that is damaged, where a majority of the others is
    /// whole: it votes until then, and of several only one at a time is given up.
    private func repair(_ shard: ShardID, _ placement: ShardPlacement) -> Plan? {
        for replica in placement.replicas {
            guard let node = node(replica.node), node.liveness == .alive, !node.isLeaving else { continue }
            guard node.lost.contains(shard) || node.damaged.contains(shard) && othersDecide(replica, shard, placement)
            else { continue }
            return Plan(shard: shard, adding: replica.node, removing: replica)
        }
        return nil
    }

    private func othersDecide(_ replica: ReplicaPlace, _ shard: ShardID, _ placement: ShardPlacement) -> Bool {
        let whole = placement.replicas.filter { other in
            other != replica && canVote(other, shard) && node(other.node)?.damaged.contains(shard) == false
        }
        return whole.count > placement.replicas.count / 2
    }

    /// Replicas of nodes that leave, or are dead or gone, move to one that has none; where there is no such node, those that
    /// leave go all the same, as long as another is left.
    private func evacuate(_ shard: ShardID, _ placement: ShardPlacement) -> Plan? {
        for replica in placement.replicas {
            let node = node(replica.node)
            let mustGo = node == nil || node?.isLeaving == true
            guard mustGo || node?.liveness == .dead else { continue }
            let plan: Plan
            if let spare = spare(for: placement) {
                plan = Plan(shard: shard, adding: spare, removing: replica)
            } else if mustGo, placement.replicas.count > 1 {
                plan = Plan(shard: shard, adding: nil, removing: replica)
            } else {
                continue
            }
            if isSound(plan, placement) { return plan }
        }
        return nil
    }

    /// A shard has as many replicas as the cluster wants, or as there are nodes.
    private func complete(_ shard: ShardID, _ placement: ShardPlacement) -> Plan? {
        guard placement.replicas.count < layout.replicaCount, let spare = spare(for: placement) else { return nil }
        return Plan(shard: shard, adding: spare, removing: nil)
    }

    /// A shard has no more replicas than the cluster wants: one that is dead goes, else the one on the fullest node.
    private func trim(_ shard: ShardID, _ placement: ShardPlacement) -> Plan? {
        guard placement.replicas.count > layout.replicaCount else { return nil }
        func rank(_ replica: ReplicaPlace) -> (Int, Int, ReplicaPlace) {
            (node(replica.node)?.liveness == .alive ? 0 : 1, load[replica.node] ?? 0, replica)
        }
        return placement.replicas.max { rank($0) < rank($1) }.map { Plan(shard: shard, adding: nil, removing: $0) }
    }

    /// A replica moves from the fullest node to the emptiest where one of them is too far from its share.
    private func balance(except plans: [Plan]) -> Plan? {
        let takers = usable
        guard takers.count > 1 else { return nil }
        let total = takers.reduce(0) { $0 + (load[$1.number] ?? 0) }
        let share = Double(total) / Double(takers.count)
        let most = Int(max(share.rounded(.up), (share * (1 + threshold)).rounded(.down)))
        let least = Int(min(share.rounded(.down), (share * (1 - threshold)).rounded(.up)))
        let fullest = takers.max { (load[$0.number] ?? 0, $1.number) < (load[$1.number] ?? 0, $0.number) }
        guard let fullest, takers.contains(where: { !(least...most).contains(load[$0.number] ?? 0) }) else {
            return nil
        }
        for taker in takers.sorted(by: { (load[$0.number] ?? 0, $0.number) < (load[$1.number] ?? 0, $1.number) }) {
            guard (load[taker.number] ?? 0) + 1 < load[fullest.number] ?? 0 else { return nil }
            for (shard, placement) in shards where placement.move == nil {
                guard let replica = placement.replicas.first(where: { $0.node == fullest.number }),
                    !placement.replicas.contains(where: { $0.node == taker.number }),
                    !plans.contains(where: { $0.shard == shard })
                else { continue }
                let plan = Plan(shard: shard, adding: taker.number, removing: replica)
                if isSound(plan, placement) { return plan }
            }
        }
        return nil
    }

    // MARK: Parts

    private func node(_ number: NodeNumber) -> Node? { nodes.first { $0.number == number } }

    private var usable: [Node] { nodes.filter { $0.liveness == .alive && !$0.isLeaving } }

    /// The emptiest node that lives and has none of the shard.
    private func spare(for placement: ShardPlacement) -> NodeNumber? {
        usable.filter { node in !placement.replicas.contains { $0.node == node.number } }
            .min { (load[$0.number] ?? 0, $0.number) < (load[$1.number] ?? 0, $1.number) }?.number
    }

    /// Whether the shard's group can carry the plan out, and can decide afterwards: a majority lives, before and after.
    private func isSound(_ plan: Plan, _ placement: ShardPlacement) -> Bool {
        let staying = placement.replicas.filter { $0 != plan.removing }
        let after = staying.filter { canVote($0, plan.shard) }.count + (plan.adding == nil ? 0 : 1)
        let total = staying.count + (plan.adding == nil ? 0 : 1)
        return decides(placement.replicas, plan.shard) && after > total / 2
    }

    private func decides(_ replicas: [ReplicaPlace], _ shard: ShardID) -> Bool {
        replicas.filter { canVote($0, shard) }.count > replicas.count / 2
    }

    private func canVote(_ replica: ReplicaPlace, _ shard: ShardID) -> Bool {
        guard let node = node(replica.node) else { return false }
        return node.liveness == .alive && !node.lost.contains(shard)
    }
}
