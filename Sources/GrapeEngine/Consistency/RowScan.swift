import GrapeModel
import GrapeStorage
import Synchronization

/// Reads all rows of a shard as they were when it was made, and compares them with what they say of themselves and with
/// the running digests beside them.
///
/// 1. Every row has its checksum (the store looks), its form, the hash that it carries; vectors and payload belong together.
/// 2. The points of each collection, and the sum of their hashes, are those of its running digest.
/// 3. Points that an index knows otherwise than the row are noted: apply goes on meanwhile, so they are looked at again
///    by `IndexCoverage`.
///
/// Thread safety: `state` is guarded by its mutex; one thread reads. It pins a snapshot of the database until it has ended.
final class RowScan: Sendable {
    private struct State: ~Copyable {
        /// nil: it has ended.
        var source: ExportSource?
        var digests: [(collection: CollectionID, digest: RowDigest)] = []
        var suspects: [SuspectPoint] = []

        var found: [ExportHeader.Digest] {
            digests.map { ExportHeader.Digest(collection: $0.collection, digest: $0.digest) }
        }
    }

    enum Outcome: Sendable {
        case read(ShardDigest, suspects: [SuspectPoint])
        case damaged(String)
        /// Given up.
        case ended
    }

    let shard: ShardID
    let generation: ReplicaGeneration
    let applied: LogIndex
    /// The running digests at that moment.
    let running: [ExportHeader.Digest]
    private let path: String
    private let collections: [CollectionID: Collection]
    private let state: Mutex<State>
    private let pointsRead = Atomic<UInt64>(0)

    /// More of them, and the index is wrong as a whole.
    private static let suspectsMax = 100_000
    private static let stepBytes = 1 << 20

    /// Called while nothing is applied to the shard.
    init(_ shard: ShardID, _ state: GroupState, engine: Engine) throws(StorageError) {
        self.shard = shard
        generation = state.generation
        applied = state.applied
        path = engine.database.path
        collections = engine.serving.withLock { $0.collections }
        let snapshot = try engine.database.snapshot()
        running = try ExportHeader.Digest.all(of: .shard(shard), generation, snapshot, engine.database)
        self.state = Mutex(
            State(source: try ExportSource.open(.shard(shard), generation, snapshot, engine.database)))
    }

    var points: UInt64 { pointsRead.load(ordering: .relaxed) }

    /// Reads to the end.
    /// - Parameter pace: hears of the bytes read, some at a time; false: give up.
    func run(pace: (Int) -> Bool) -> Outcome {
        state.withLock { state in
            defer { state.source = nil }
            do throws(ExportError) {
                guard let fault = try read(&state, pace: pace) else { return .ended }
                if let fault = fault.detail { return .damaged(fault) }
            } catch {
                if case .storage(.closed) = error { return .ended }
                return .damaged("\(error)")
            }
            return .read(ShardDigest(state.found), suspects: state.suspects)
        }
    }

    private struct Finding {
        var detail: String?
    }

    /// nil: given up.
    private func read(_ state: inout State, pace: (Int) -> Bool) throws(ExportError) -> Finding? {
        var bytes = 0
        while let record = try state.source?.read() ?? nil {
            switch record {
            case .point(let point):
                if let fault = take(point, &state) { return Finding(detail: fault) }
                bytes += point.id.count + point.vectorBlock.count + point.row.payload.json.count + 64
            case .row(let row): bytes += row.key.count + row.value.count
            }
            if bytes >= Self.stepBytes {
                guard pace(bytes) else { return nil }
                bytes = 0
            }
            try state.source?.advance()
        }
        guard pace(bytes) else { return nil }
        return Finding(detail: difference(state.found))
    }

    private func take(_ point: ExportedPoint, _ state: inout State) -> String? {
        let hash = RowDigest.hash(
            id: point.id, form: point.row.form, vectorVersion: point.row.vectorVersion, version: point.row.version,
            vectorBlock: point.vectorBlock, payload: point.row.payload.json)
        guard hash == point.row.hash else {
            return "\(site(point)): the row does not have the hash that it carries"
        }
        guard let positions = VectorBlock.positions(of: point.vectorBlock.span) else {
            return "\(site(point)): the vectors have no form that this build knows"
        }
        if state.digests.last?.collection != point.collection {
            state.digests.append((point.collection, RowDigest()))
        }
        state.digests[state.digests.count - 1].digest.add(hash)
        pointsRead.add(1, ordering: .relaxed)
        if let collection = collections[point.collection], state.suspects.count < Self.suspectsMax,
            !collection.knows(point.id, version: point.row.vectorVersion, positions: positions)
        {
            state.suspects.append(SuspectPoint(collection: point.collection, id: point.id))
        }
        return nil
    }

    private func site(_ point: ExportedPoint) -> StorageError.Site {
        let prefix = RowKeyPrefix(shard: shard, generation: generation, collection: point.collection)
        return StorageError.Site(path: path, family: .payloads, key: prefix.key(ofEncoded: point.id).span)
    }

    /// In words, where the rows are not those of the running digests.
    private func difference(_ found: [ExportHeader.Digest]) -> String? {
        let collections = Set(found.map(\.collection)).union(running.map(\.collection)).sorted()
        for id in collections {
            let rows = found.first { $0.collection == id }?.digest ?? RowDigest()
            let kept = running.first { $0.collection == id }?.digest ?? RowDigest()
            guard rows != kept else { continue }
            return "\(path): shard \(shard), collection \(id): the rows on the disk are \(rows.points) points with sum "
                + "\(rows.sum), the digest kept with them says \(kept.points) with sum \(kept.sum)"
        }
        return nil
    }
}
