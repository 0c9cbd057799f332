import GrapeEngine
import GrapeModel
import Synchronization

/// One check of all shards: announced to every node with a replica, written as an entry into the log of every shard, then
/// collected (RAFT.md 27). Entries of other writes go on before and after it.
///
/// A replica that gives no answer until the end is named as missing: whoever has not looked can't say that all are equal.
final class ConsistencyCheck: Sendable {
    private struct Progress {
        /// The answers so far.
        var standings: [ReplicaPlace: [ShardID: ReplicaStanding]] = [:]
    }

    let id = UInt64.random(in: 1 ... .max)
    let isDeep: Bool
    private let router: Router
    private let layout: ClusterLayout
    private let progress = Mutex(Progress())

    private static let announceTime = Duration.seconds(3)
    private static let pauseMilliseconds = 20...500

    /// - Parameter layout: as a read of now shows it.
    init(router: Router, layout: ClusterLayout, isDeep: Bool) {
        self.router = router
        self.layout = layout
        self.isDeep = isDeep
    }

    /// Points that deep checks of all replicas have read, and those there are, as far as is known.
    var pointsRead: UInt64 {
        progress.withLock { progress in
            progress.standings.values.reduce(0) { sum, standings in
                standings.values.reduce(sum) { $0 &+ $1.pointsRead }
            }
        }
    }

    func run(until deadline: ContinuousClock.Instant) async throws(GrapeError) -> ConsistencyReport {
        var shards = layout.placements.indices.map { ConsistencyReport.Shard(shard: ShardID(UInt16($0))) }
        let refusals = await announce(until: deadline)
        var writable: [Int] = []
        for place in shards.indices {
            // A node of a version that does not know such entries would stop at one.
            let old = layout.placements[place].replicas.first { refusals[$0.node] == .unreadable }
            if old == nil { writable.append(place) }
        }
        let fates = await write(writable.map { shards[$0].shard }, until: deadline)
        var failures: [ShardID: String] = [:]
        for (place, fate) in zip(writable, fates) {
            switch fate {
            case .applied(.checked(let index)): shards[place].index = index
            case .refused(let error): failures[shards[place].shard] = error.message
            default: failures[shards[place].shard] = "the entry of the check has no outcome yet"
            }
        }
        await collect(shards.filter { $0.index != nil }.map(\.shard), refusals, until: deadline)
        return report(shards, refusals, failures)
    }

    // MARK: Announcing

    private enum Refusal: Equatable {
        case unreadable
        case other(String)

        var text: String {
            switch self {
            case .unreadable: "its version does not know consistency checks"
            case .other(let text): text
            }
        }
    }

    /// The shards of each node that has a replica.
    private var holdings: [NodeNumber: ShardSet] {
        var holdings: [NodeNumber: ShardSet] = [:]
        for (number, placement) in layout.placements.enumerated() {
            for replica in placement.replicas {
                holdings[replica.node, default: ShardSet()].insert(ShardID(UInt16(number)))
            }
        }
        return holdings
    }

    private func announce(until deadline: ContinuousClock.Instant) async -> [NodeNumber: Refusal] {
        let patience = min(deadline, .now + Self.announceTime)
        return await withTaskGroup(of: (NodeNumber, Refusal?).self) { tasks in
            for (node, shards) in holdings {
                tasks.addTask { (node, await self.announce(shards, to: node, patience, until: deadline)) }
            }
            var refusals: [NodeNumber: Refusal] = [:]
            for await (node, refusal) in tasks { refusals[node] = refusal }
            return refusals
        }
    }

    private func announce(
        _ shards: ShardSet, to node: NodeNumber, _ patience: ContinuousClock.Instant,
        until deadline: ContinuousClock.Instant
    ) async -> Refusal? {
        if node == router.cluster.node {
            do throws(GrapeError) {
                try router.replicaChecks.announce(id, isDeep: isDeep, shards, until: deadline)
                return nil
            } catch {
                return .other(error.message)
            }
        }
        do throws(PeerFailure) {
            switch try await router.ask(.announceCheck(id, deep: isDeep, shards), node, lane: .quick, patience) {
            case .accepted: return nil
            case .failed(let error): return .other(error.message)
            default: return .unreadable
            }
        } catch {
            return .other(error.message)
        }
    }

    // MARK: Entries

    private func write(_ shards: [ShardID], until deadline: ContinuousClock.Instant) async -> [WriteFate] {
        let origins = shards.map { router.origins.open(.shard($0)) }
        let writes = zip(shards, origins).map { shard, origin in
            RoutedWrite(
                group: .shard(shard),
                entries: [
                    LogEntry(
                        catalogVersion: router.engine.catalog.version, epoch: router.engine.epoch(of: shard),
                        origin: origin, command: .check(id, deep: isDeep)
                    ).encoded
                ])
        }
        defer { for (shard, origin) in zip(shards, origins) { router.origins.close(origin, .shard(shard)) } }
        return await router.commit(writes, deadline: min(deadline, .now + .seconds(20)))
    }

    // MARK: Collecting

    private func collect(
        _ shards: [ShardID], _ refusals: [NodeNumber: Refusal], until deadline: ContinuousClock.Instant
    ) async {
        await withTaskGroup(of: Void.self) { tasks in
            for (node, held) in holdings where refusals[node] == nil {
                let wanted = ShardSet(shards.filter(held.contains))
                if !wanted.isEmpty { tasks.addTask { await self.collect(wanted, from: node, until: deadline) } }
            }
        }
    }

    /// Asks until the node has said all it will say.
    private func collect(_ shards: ShardSet, from node: NodeNumber, until deadline: ContinuousClock.Instant) async {
        var open = shards
        var pause = Self.pauseMilliseconds.lowerBound
        while !open.isEmpty, ContinuousClock.now < deadline, !Task.isCancelled {
            for (shard, standing) in await standings(open, node, until: deadline) {
                note(standing, shard, node)
                if standing.isComplete { open.remove(shard) }
            }
            guard !open.isEmpty else { return }
            try? await Task.sleep(for: .milliseconds(pause))
            pause = min(2 * pause, Self.pauseMilliseconds.upperBound)
        }
    }

    private func standings(
        _ shards: ShardSet, _ node: NodeNumber, until deadline: ContinuousClock.Instant
    ) async -> [ShardID: ReplicaStanding] {
        if node == router.cluster.node { return router.replicaChecks.standings(id, shards) }
        let patience = min(deadline, .now + Self.announceTime)
        guard
            case .checks(let standings)? = try? await router.ask(
                .checkResults(id, shards), node, lane: .quick, patience)
        else { return [:] }
        return standings
    }

    private func note(_ standing: ReplicaStanding, _ shard: ShardID, _ node: NodeNumber) {
        guard let place = layout.placement(shard)?.replicas.first(where: { $0.node == node }) else { return }
        progress.withLock { $0.standings[place, default: [:]][shard] = standing }
    }

    // MARK: The end

    private func report(
        _ shards: [ConsistencyReport.Shard], _ refusals: [NodeNumber: Refusal], _ failures: [ShardID: String]
    ) -> ConsistencyReport {
        let standings = progress.withLock { $0.standings }
        var report = ConsistencyReport(isDeep: isDeep, shards: shards)
        for place in report.shards.indices {
            let shard = report.shards[place].shard
            for replica in layout.placements[place].replicas.sorted() {
                switch standings[replica]?[shard] {
                case .checked(let serial, let check) where serial == replica.serial:
                    report.shards[place].replicas.append((replica, check))
                case .checked: report.shards[place].missing.append((replica, "its replica was replaced meanwhile"))
                case .absent(let reason): report.shards[place].missing.append((replica, reason))
                case .behind: report.shards[place].missing.append((replica, "it has not come so far in time"))
                case nil:
                    let reason = refusals[replica.node]?.text ?? failures[shard] ?? "it gave no answer in time"
                    report.shards[place].missing.append((replica, reason))
                }
            }
        }
        return report
    }
}

extension ReplicaStanding {
    fileprivate var isComplete: Bool {
        switch self {
        case .behind: false
        case .absent: true
        case .checked(_, let check): check.isComplete
        }
    }

    fileprivate var pointsRead: UInt64 {
        guard case .checked(_, let check) = self else { return 0 }
        switch check.disk {
        case .reading(let points): return points
        case .read(let digest, _): return digest.points
        default: return 0
        }
    }
}
