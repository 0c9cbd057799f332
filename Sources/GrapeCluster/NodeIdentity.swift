import GrapeEngine
import GrapeModel
import GrapeStorage

/// What a data directory was made as: its row never changes.
///
/// Layout, little-endian: format (8 bits), cluster id (128), shard count (32).
struct NodeIdentity: Sendable, Hashable {
    private static let format: UInt8 = 1

    var clusterID: PointID
    var shardCount: Int

    /// Reads the directory's identity; a new directory gets one.
    static func readOrMake(_ database: Database, shardCount: Int) throws(GrapeError) -> NodeIdentity {
        do {
            if let bytes = try database.get(.state, StateKey.identity) {
                return try NodeIdentity(encoded: bytes, path: database.path, expecting: shardCount)
            }
            let identity = NodeIdentity(
                clusterID: .uuid(
                    high: .random(in: 0 ... .max) & ~0xf000 | 0x4000, low: .random(in: 0 ... .max) >> 2 | 1 << 63),
                shardCount: shardCount)
            var batch = try database.makeBatch()
            batch.put(.state, key: StateKey.identity, value: identity.encoded)
            try database.write(batch, sync: true)
            return identity
        } catch let error as StorageError {
            throw GrapeError(error)
        } catch let error as GrapeError {
            throw error
        } catch {
            throw GrapeError(.internalError, "\(error)")
        }
    }

    private var encoded: [UInt8] {
        var bytes: [UInt8] = [Self.format]
        bytes.append(contentsOf: clusterID.encoded.dropFirst())
        bytes.appendLittleEndian(UInt32(shardCount))
        return bytes
    }
}

extension NodeIdentity {
    fileprivate init(encoded bytes: [UInt8], path: String, expecting shardCount: Int) throws(GrapeError) {
        var reader = ByteReader(bytes)
        guard reader.integer(UInt8.self) == Self.format, let cluster = reader.bytes(16),
            let id = PointID(encoded: [2] + cluster), let count = reader.integer(UInt32.self)
        else {
            throw GrapeError(.damaged, "the identity row of \(path) has no form that this build knows")
        }
        guard Int(count) == shardCount else {
            throw GrapeError(
                .cannotStart,
                "\(path) has shard_count \(count), the configuration says \(shardCount): it can't be changed; "
                    + "set sharding.shard_count = \(count), or restore a backup into a new directory")
        }
        self.init(clusterID: id, shardCount: shardCount)
    }
}
