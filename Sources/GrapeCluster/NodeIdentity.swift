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

    /// A random id of a new cluster, in the form of a version 4 UUID.
    static func newClusterID() -> PointID {
        .uuid(high: .random(in: 0 ... .max) & ~0xf000 | 0x4000, low: .random(in: 0 ... .max) >> 2 | 1 << 63)
    }

    /// The directory's identity; nil where it belongs to no cluster yet.
    static func read(_ database: Database, shardCount: Int) throws(GrapeError) -> NodeIdentity? {
        let bytes: [UInt8]?
        do throws(StorageError) {
            bytes = try database.get(.state, StateKey.identity)
        } catch {
            throw GrapeError(error)
        }
        return try bytes.map { (bytes) throws(GrapeError) in
            try NodeIdentity(encoded: bytes, path: database.path, expecting: shardCount)
        }
    }

    var encoded: [UInt8] {
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
