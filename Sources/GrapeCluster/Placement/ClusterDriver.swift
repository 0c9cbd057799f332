import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage
import Logging
import Synchronization

/// Keeps a node's part of the cluster in order, a few times a second: tells the others how it is, makes and drops the
/// replicas that the catalog wants here, takes each move of a shard that is led here one step further, and, where this node
/// leads the catalog, plans moves, spreads leaders and finishes what others left behind.
///
/// Everything it does follows from what is there, so each step may fail and is taken again.
///
/// Thread safety: `run` is called once; `state` is guarded by its mutex for those who ask.
final class ClusterDriver: Sendable {
    struct State {
        var view: ClusterView
        /// When it was last looked at.
        var observed: UInt64 = 0
        var moves = MoveDriver()
        /// A layout from another member, newer than the one that is applied here.
        var borrowed: ClusterLayout?
        var points: [ShardID: (points: UInt64, bytes: UInt64)] = [:]
        var unfinishedSince: [CollectionID: UInt64] = [:]
        /// Points of collections that restores fill, and since when so many.
        var restoring: [CollectionID: (points: Int, since: UInt64)] = [:]
    }

    let node: NodeNumber
    let options: NodeOptions
    let engine: Engine
    let consensus: Consensus
    let router: Router
    let cluster: ClusterState
    let transport: Transport?
    let snapshots: SnapshotService?
    let logger: Logger
    let state: Mutex<State>
    private let started = ContinuousClock.now

    private static let tick = Duration.milliseconds(100)
    static let patience = Duration.seconds(5)
    /// Milliseconds between two looks that are more than a delay.
    private static let standstill: UInt64 = 500

    init(
        node: NodeNumber, options: NodeOptions, engine: Engine, consensus: Consensus, router: Router,
        cluster: ClusterState, transport: Transport?, snapshots: SnapshotService?, logger: Logger
    ) {
        self.node = node
        self.options = options
        self.engine = engine
        self.consensus = consensus
        self.router = router
        self.cluster = cluster
        self.transport = transport
        self.snapshots = snapshots
        self.logger = logger
        let electionTimeout = UInt64(options.raft.electionTimeoutMilliseconds)
        state = Mutex(
            State(
                view: ClusterView(
                    suspectAfter: 2 * electionTimeout,
                    deadAfter: UInt64(options.cluster?.failureTimeoutSeconds ?? 60) * 1_000)))
    }

    /// Milliseconds since this node started.
    var now: UInt64 { UInt64(max(0, (ContinuousClock.now - started) / .milliseconds(1))) }

    /// Members that were heard of lately, this node left out.
    var otherMembers: [Member] {
        let (view, now) = (state.withLock { $0.view }, now)
        return layout.members.filter { $0.number != node && view.liveness($0.number, at: now) == .alive }
    }

    /// As applied here, or, while this node's replica of the catalog is lost, as another member told it.
    var layout: ClusterLayout {
        let own = engine.catalog.layout
        return state.withLock { state in
            guard let borrowed = state.borrowed, borrowed.nextSerial > own.nextSerial else {
                state.borrowed = nil
                return own
            }
            return borrowed
        }
    }

    /// What others go by (reports) and what requests go by never waits for what may take long.
    func run() async {
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask { await self.repeated { self.observe($0) } }
            tasks.addTask { await self.repeated { await self.work($0) } }
        }
    }

    private func repeated(_ body: (Int) async -> Void) async {
        var round = 0
        while !Task.isCancelled {
            await body(round)
            round += 1
            try? await Task.sleep(for: Self.tick)
        }
    }

    /// Looks at what came from others, and says how requests go from here.
    func observe(_ round: Int) {
        let layout = layout
        let now = now
        let heard = transport?.takeHeard() ?? []
        let view = state.withLock { state in
            // This process, or the whole machine, may have stood still.
            if now > state.observed + Self.standstill { state.view.forgive(now - state.observed) }
            state.observed = now
            state.view.expect(layout.members.map(\.number), at: now)
            state.view.hear(heard, at: now)
            return state.view
        }
        transport?.setPeers(
            PeerDirectory.addresses(
                layout, view, own: node, configured: options.cluster?.initialPeers ?? [], at: now))
        if round % 5 == 0 {
            tell(layout)
            consensus.noteAppliedElsewhere(view.appliedElsewhere(layout, seenFrom: node))
        }
        refreshState(layout)
    }

    private func work(_ round: Int) async {
        if round % 10 == 0 { await borrowLayout() }
        let layout = layout
        await keepReplicas(layout)
        if round % 10 == 0 {
            countPoints(layout)
            endQuarantines(layout)
        }
        guard round % 2 == 0 else { return }
        await takeMovesFurther(layout)
        guard round % 10 == 0 else { return }
        await introduce(layout)
        await lead(layout)
    }

    func received(_ report: NodeReport) {
        let now = now
        state.withLock { $0.view.take(report, at: now) }
    }

    // MARK: Reports

    func tell(_ layout: ClusterLayout) {
        let points = state.withLock { $0.points }
        let groups = consensus.status().map { status in
            let own: (points: UInt64, bytes: UInt64)
            if case .shard(let shard) = status.group { own = points[shard] ?? (0, 0) } else { own = (0, 0) }
            return NodeReport.Group(
                group: status.group, serial: status.replica.serial, isLeader: status.role == .leader,
                isLearner: status.isLearner, isLost: status.isLost,
                isInstalling: status.isInstalling || !isServed(status.group),
                isConfigurationDurable: status.isConfigurationDurable, isQuarantined: isQuarantined(status),
                isDamaged: engine.fault(of: status.group) != nil, term: status.term.rawValue,
                applied: status.applied.rawValue, points: own.points, bytes: own.bytes)
        }
        let report = NodeReport(
            number: node, raftAddress: transport == nil ? nil : options.addresses.raft, uptimeSeconds: now / 1_000,
            freeBytes: (try? engine.database.freeSpaceBytes) ?? 0,
            residentBytes: UInt64(ProcessStatistics.residentBytes), backlog: engine.indexBacklog, groups: groups,
            transfers: snapshots?.transfers ?? [])
        received(report)
        let bytes = report.encoded
        for member in layout.members where member.number != node { transport?.sendReport(bytes, to: member.number) }
    }

    private func isQuarantined(_ status: GroupStatus) -> Bool {
        guard case .shard(let shard) = status.group, let aside = engine.quarantines[shard] else { return false }
        return aside.replica == status.replica.rawValue
    }

    private func isServed(_ group: LogGroup) -> Bool {
        if case .shard(let shard) = group { engine.servedShards.contains(shard) } else { true }
    }

    private func countPoints(_ layout: ClusterLayout) {
        var counted: [ShardID: (points: UInt64, bytes: UInt64)] = [:]
        let collections = engine.collections
        for shard in engine.servedShards.sorted {
            var points: UInt64 = 0
            for collection in collections { points += (try? engine.digest(shard, collection.schema.id).points) ?? 0 }
            counted[shard] = (points, (try? engine.rowBytes(shard)) ?? 0)
        }
        state.withLock { $0.points = counted }
    }

    // MARK: Replicas here

    /// Replicas that the catalog wants on this node, and no others.
    private func keepReplicas(_ layout: ClusterLayout) async {
        let present = Dictionary(uniqueKeysWithValues: consensus.status().map { ($0.group, $0.replica.serial) })
        let changes = HeldReplicas.next(layout, on: node, present: present)
        do throws(GrapeError) {
            for group in changes.dropped {
                try await setAsideIfDamaged(group)
                logger.info("a replica is dropped here", metadata: ["group": "\(group.number)"])
                try await consensus.dropReplica(of: group)
            }
            for replica in changes.made {
                try await consensus.createReplica(ReplicaID(node: node, serial: replica.serial), of: replica.group)
            }
        } catch {
            logger.warning("replicas are not as the catalog wants them yet", metadata: ["error": "\(error)"])
        }
    }

    /// Where the replica of the catalog lost what it had and applies nothing any more, another member tells where everything is:
    /// who else is there to report to, and which replica takes the lost one's place.
    private func borrowLayout() async {
        guard let transport, consensus.status().contains(where: { $0.group == .catalog && $0.isLost }) else { return }
        let known = layout
        for member in known.members where member.number != node {
            let bytes = try? await transport.request(
                BootstrapRequest.layout.encoded, to: member.number, lane: .quick, deadline: .now + Self.patience)
            guard let bytes, case .layout(let other)? = BootstrapAnswer(encoded: bytes),
                other.nextSerial > known.nextSerial
            else { continue }
            return state.withLock { $0.borrowed = other }
        }
    }

    /// Tells the catalog of this node's addresses and version where it knows others.
    private func introduce(_ layout: ClusterLayout) async {
        guard let own = layout.member(node), own.addresses != options.addresses || own.version != options.version
        else { return }
        _ = await commit(.update(node, addresses: options.addresses, version: options.version))
    }
}
