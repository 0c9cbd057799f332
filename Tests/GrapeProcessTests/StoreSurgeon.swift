import Foundation
import GrapeEngine
import GrapeModel
import GrapeStorage

/// Changes rows in the directory of a stopped node, as no checksum shows.
struct StoreSurgeon {
    let directory: URL

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Gives the first point of a shard another payload, with the hash and the checksum that belong to it.
    /// - Parameter withDigest: the running digest of the shard goes with it, as if an entry had done it.
    /// - Returns: the point's id.
    func alter(shard: Int, withDigest: Bool) throws -> UInt64 {
        let database = try Database.open(path: directory.path)
        defer { try? database.close() }
        let group = LogGroup.shard(ShardID(UInt16(shard)))
        guard let state = try database.get(.state, StateKey.group(group)).flatMap(GroupState.init(encoded:)),
            let key = try firstKey(of: ShardID(UInt16(shard)), state.generation, database),
            var row = try database.get(.payloads, key).flatMap(PointRow.init(encoded:)),
            let vectors = try database.get(.vectors, key)
        else { throw Failure(description: "shard \(shard) of \(directory.path) has no point") }
        let old = row.hash
        let id = Array(key[RowKeyPrefix.byteCount...])
        row.payload = Payload(uncheckedJSON: Array(#"{"number":-1}"#.utf8))
        row.hash = RowDigest.hash(
            id: id, form: row.form, vectorVersion: row.vectorVersion, version: row.version,
            vectorBlock: Array(vectors.dropFirst(VectorRow.headerBytes)), payload: row.payload.json)
        var batch = try database.makeBatch()
        batch.put(.payloads, key: key, value: row.encoded)
        if withDigest {
            let digestKey = [0x02] + key.prefix(RowKeyPrefix.byteCount)
            guard var digest = try database.get(.state, digestKey).flatMap(RowDigest.init(encoded:)),
                digest.remove(old)
            else { throw Failure(description: "shard \(shard) has no digest") }
            digest.add(row.hash)
            batch.put(.state, key: digestKey, value: digest.encoded)
        }
        try database.write(batch, sync: true)
        guard case .integer(let number)? = PointID(encoded: id[...]) else {
            throw Failure(description: "the point's id is no number")
        }
        return number
    }

    /// Flips one bit in the first block of the family's largest table, which holds rows. -> the table's file name
    func damageTable(of family: ColumnFamily) throws -> String {
        let database = try Database.open(path: directory.path)
        try database.flush(family)
        try database.close()
        let names = try FileManager.default.contentsOfDirectory(atPath: directory.path).filter { $0.hasSuffix(".sst") }
        let tables = try names.map { name in (name, try Data(contentsOf: directory.appendingPathComponent(name))) }
            // Of the property "rocksdb.column.family.name" only what differs from the one before is written out.
            .filter { $0.1.range(of: Data("name\(family.name)".utf8)) != nil }
        guard let (name, found) = tables.max(by: { $0.1.count < $1.1.count }) else {
            throw Failure(description: "\(directory.path) has no table of \(family.name)")
        }
        var bytes = found
        bytes[40] ^= 0x20
        try bytes.write(to: directory.appendingPathComponent(name))
        return name
    }

    /// Notes of replicas that were set aside.
    var quarantines: Int {
        get throws {
            let database = try Database.open(path: directory.path)
            defer { try? database.close() }
            var count = 0
            for shard in 0..<16 where try database.get(.state, StateKey.quarantine(ShardID(UInt16(shard)))) != nil {
                count += 1
            }
            return count
        }
    }

    private func firstKey(
        of shard: ShardID, _ generation: ReplicaGeneration, _ database: Database
    ) throws -> [UInt8]? {
        let from = RowKeyPrefix(shard: shard, generation: generation, collection: CollectionID(0)).lowerBound
        var cursor = try database.cursor(.payloads, from: from)
        try cursor.seekToFirst()
        guard cursor.isValid, cursor.key.copyBytes().prefix(2) == from.prefix(2) else { return nil }
        return cursor.key.copyBytes()
    }
}
