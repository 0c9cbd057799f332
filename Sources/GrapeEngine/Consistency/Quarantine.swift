import GrapeModel
import GrapeStorage

/// A shard's replica that was set aside because its rows can't be trusted: nobody is answered from them, and they stay
/// until another replica has taken its place on this node (RAFT.md 28).
///
/// Layout, little-endian: format (8 bits), replica (64), generation (32), reason as text.
package struct Quarantine: Sendable, Hashable {
    private static let format: UInt8 = 1

    package let replica: UInt64
    package let generation: ReplicaGeneration
    package let reason: String

    package init(replica: UInt64, generation: ReplicaGeneration, reason: String) {
        self.replica = replica
        self.generation = generation
        self.reason = reason
    }

    var encoded: [UInt8] {
        var bytes: [UInt8] = [Self.format]
        bytes.appendLittleEndian(replica)
        bytes.appendLittleEndian(generation.rawValue)
        bytes.appendSized(reason.utf8)
        return bytes
    }

    init?(encoded bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard reader.integer(UInt8.self) == Self.format, let replica = reader.integer(UInt64.self),
            let generation = reader.integer(UInt32.self), let reason = reader.text(), reader.isAtEnd
        else { return nil }
        self.init(replica: replica, generation: ReplicaGeneration(generation), reason: reason)
    }
}

extension Engine {
    /// Replicas of this node that were set aside and are not replaced yet.
    package var quarantines: [ShardID: Quarantine] { setAside.withLock { $0 } }

    /// Puts the note into the batch that ends the replica; `setAside` is to follow.
    package func putQuarantine(_ shard: ShardID, _ quarantine: Quarantine, into batch: inout WriteBatch) {
        batch.put(.state, key: StateKey.quarantine(shard), value: quarantine.encoded)
    }

    /// From here on nobody is answered from the replica's rows, and nothing deletes them.
    package func setAside(_ shard: ShardID, _ quarantine: Quarantine) {
        setAside.withLock { $0[shard] = quarantine }
        serving.withLock { $0.setAside(shard) }
    }

    /// The replica that took the place of the one set aside is whole: what was kept goes.
    package func endQuarantine(_ shard: ShardID) throws(GrapeError) {
        try storing { () throws(StorageError) in
            var batch = try database.makeBatch()
            batch.delete(.state, key: StateKey.quarantine(shard))
            try database.write(batch)
            setAside.withLock { $0[shard] = nil }
            try deleteUnusedGenerations(of: shard, but: try ShardImport.receiving(.shard(shard), database)?.0)
        }
        logger.notice("a damaged replica was replaced, what was kept of it is deleted", metadata: ["shard": "\(shard)"])
    }

    static func readQuarantines(
        _ database: Database, shardCount: Int
    ) throws(StorageError) -> [ShardID: Quarantine] {
        var found: [ShardID: Quarantine] = [:]
        for shard in (0..<shardCount).map({ ShardID(UInt16($0)) }) {
            let key = StateKey.quarantine(shard)
            guard let bytes = try database.get(.state, key) else { continue }
            guard let quarantine = Quarantine(encoded: bytes) else {
                throw .damagedRow(path: database.path, family: .state, key: key)
            }
            found[shard] = quarantine
        }
        return found
    }
}
