import GrapeIndex
import GrapeModel
import GrapeStorage

/// Asks a filter about candidates of a walk, by their payload rows. A row that can't be read ends up in `failure`, and
/// its point counts as not matching.
struct RowFilter: OrdinalFilter {
    let filter: Filter
    let database: Database
    let scope: SearchScope
    let collection: CollectionID
    let index: CollectionIndex
    private(set) var failure: StorageError?
    private var scratch = JSONDocument()

    init(
        filter: Filter, database: Database, scope: SearchScope, collection: CollectionID, index: CollectionIndex
    ) {
        self.filter = filter
        self.database = database
        self.scope = scope
        self.collection = collection
        self.index = index
    }

    mutating func evaluate(_ ordinals: Span<Ordinal>, into verdicts: inout [Bool]) {
        verdicts.append(contentsOf: repeatElement(false, count: ordinals.count))
        do {
            try evaluateRows(ordinals, into: &verdicts)
        } catch {
            failure = failure ?? error
        }
    }

    private mutating func evaluateRows(
        _ ordinals: Span<Ordinal>, into verdicts: inout [Bool]
    ) throws(StorageError) {
        var asked: [(place: Int, id: [UInt8])] = []
        var keys: [[UInt8]] = []
        for place in ordinals.indices {
            let shard = ShardID(index.shard(of: ordinals[place]))
            if let shards = scope.shards, !shards.contains(shard) { continue }
            let id = index.key(of: ordinals[place])
            asked.append((place, id))
            if filter.readsPayload { keys.append(scope.prefix(shard, collection).key(ofEncoded: id)) }
        }
        guard filter.readsPayload else {
            let payload = Payload.empty.json
            for (place, id) in asked { verdicts[place] = matches(id: id, payload: payload.span) ?? false }
            return
        }
        let rows = try database.multiRead(.payloads, keys)
        for position in keys.indices {
            switch rows.status(position) {
            case .missing: continue
            case .corrupt(let error): throw error
            case .found:
                let row = rows.bytes(position)
                guard let start = PointRow.payloadOffset(of: row),
                    let verdict = matches(id: asked[position].id, payload: row.extracting(start..<row.count))
                else { throw .damagedRow(path: database.path, family: .payloads, key: keys[position]) }
                verdicts[asked[position].place] = verdict
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
