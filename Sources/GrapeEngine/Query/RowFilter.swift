import GrapeIndex
import GrapeModel
import GrapeStorage

/// Asks a filter about candidates of a walk, by their payload rows. A row that can't be read ends up in `failure`, and
/// its point counts as not matching.
struct RowFilter: OrdinalFilter {
    let filter: Filter
    let engine: Engine
    let collection: CollectionID
    let index: CollectionIndex
    private(set) var failure: StorageError?
    private var scratch = JSONDocument()

    init(filter: Filter, engine: Engine, collection: CollectionID, index: CollectionIndex) {
        self.filter = filter
        self.engine = engine
        self.collection = collection
        self.index = index
    }

    mutating func evaluate(_ ordinals: Span<Ordinal>, into verdicts: inout [Bool]) {
        do {
            try evaluateRows(ordinals, into: &verdicts)
        } catch {
            failure = failure ?? error
            while verdicts.count < ordinals.count { verdicts.append(false) }
        }
    }

    private mutating func evaluateRows(
        _ ordinals: Span<Ordinal>, into verdicts: inout [Bool]
    ) throws(StorageError) {
        var ids: [[UInt8]] = []
        var keys: [[UInt8]] = []
        for position in ordinals.indices {
            let id = index.key(of: ordinals[position])
            let shard = ShardID(index.shard(of: ordinals[position]))
            ids.append(id)
            if filter.readsPayload { keys.append(engine.prefix(shard, collection).key(ofEncoded: id)) }
        }
        guard filter.readsPayload else {
            let payload = Payload.empty.json
            for id in ids { verdicts.append(matches(id: id, payload: payload.span) ?? false) }
            return
        }
        let rows = try engine.database.multiRead(.payloads, keys)
        for position in keys.indices {
            switch rows.status(position) {
            case .missing: verdicts.append(false)
            case .corrupt(let error): throw error
            case .found:
                let row = rows.bytes(position)
                guard let start = PointRow.payloadOffset(of: row),
                    let verdict = matches(id: ids[position], payload: row.extracting(start..<row.count))
                else { throw .damagedRow(path: engine.database.path, family: .payloads, key: keys[position]) }
                verdicts.append(verdict)
            }
        }
    }

    /// nil where the row is damaged.
    private mutating func matches(id: [UInt8], payload: Span<UInt8>) -> Bool? {
        guard let id = PointID(encoded: id) else { return nil }
        return try? filter.matches(payload: payload, id: id, scratch: &scratch)
    }

    /// The same question about a row that is at hand; nil where the row is damaged.
    mutating func matches(_ row: PointRow, id: PointID) -> Bool? {
        try? filter.matches(payload: row.payload.json, id: id, scratch: &scratch)
    }
}
