import GrapeEngine
import GrapeModel

extension LogEntry {
    init(
        catalogVersion: CatalogVersion, epoch: Int, origin: WriteOrigin, idempotencyKey: [UInt8] = [],
        command: ShardCommand
    ) {
        self.init(catalogVersion: catalogVersion, origin: origin, idempotencyKey: idempotencyKey, command: command)
    }
    var encodedPieces: [[UInt8]] { [encoded] }
}
extension Engine {
    func epoch(of shard: ShardID) -> Int { 1 }
    func search(_ r: SearchRequest, in c: Collection, shards: ShardSet) throws(GrapeError) -> [ScoredPoint] {
        try search(r, in: c)
    }
    func pointCount(_ c: CollectionID, shards: ShardSet) throws(GrapeError) -> Int { try pointCount(c) }
    func collection(_ id: CollectionID) -> Collection? { collections.first { $0.schema.id == id } }
}
extension ApplyOutcome {
    func encode(into bytes: inout [UInt8]) {
        switch self {
        case .upserted(let n): bytes.append(1); bytes.appendLittleEndian(UInt32(n))
        case .deleted(let b): bytes.append(2); bytes.appendSized(b.map { $0 ? 1 : 0 })
        case .fenced: bytes.append(3)
        case .staleCatalog(let v): bytes.append(4); bytes.appendLittleEndian(v.rawValue)
        case .keyReused: bytes.append(5)
        case .catalog(.done(let c, let v)): bytes.append(6); bytes.appendLittleEndian(c.rawValue); bytes.appendLittleEndian(v.rawValue)
        case .catalog(.exists(let c)): bytes.append(7); bytes.appendLittleEndian(c.rawValue)
        case .catalog(.notFound): bytes.append(8)
        case .nothing: bytes.append(9)
        }
    }
    init?(reader: inout ByteReader) {
        switch reader.integer(UInt8.self) {
        case 1: guard let n = reader.integer(UInt32.self) else { return nil }; self = .upserted(Int(n))
        case 2: guard let b = reader.sized() else { return nil }; self = .deleted(b.map { $0 == 1 })
        case 3: self = .fenced
        case 4: guard let v = reader.integer(UInt64.self) else { return nil }; self = .staleCatalog(CatalogVersion(v))
        case 5: self = .keyReused
        case 6:
            guard let c = reader.integer(UInt64.self), let v = reader.integer(UInt64.self) else { return nil }
            self = .catalog(.done(CollectionID(c), CatalogVersion(v)))
        case 7: guard let c = reader.integer(UInt64.self) else { return nil }; self = .catalog(.exists(CollectionID(c)))
        case 8: self = .catalog(.notFound)
        case 9: self = .nothing
        default: return nil
        }
    }
}
