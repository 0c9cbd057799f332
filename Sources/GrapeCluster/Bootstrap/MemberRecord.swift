import GrapeEngine
import GrapeModel
import GrapeStorage

/// Who this data directory is: its node id and the number drawn when it was made, and, once it belongs to a cluster, its
/// number there.
///
/// Layout, little-endian: format (8 bits), boot id (64), number (32, 0 before it is a member), whether its first replicas
/// are made (8), node id, then the cluster that it founds or founded (cluster id and layout; empty where it joined one).
package struct MemberRecord: Sendable, Hashable {
    private static let format: UInt8 = 1

    package var nodeID: String
    package var bootID: UInt64
    package var number: NodeNumber?
    /// The cluster as this node founds it, noted before anybody is told, so that it goes on with the same after a crash; or as
    /// it was one of the founders. nil where it joined.
    package var founded: FoundedCluster?
    /// Its first replicas are made. Later ones come and go as the catalog says, so a founder that lost all of its replicas
    /// by leaving never makes them again.
    package var hasBegun = false

    package init(nodeID: String, bootID: UInt64, number: NodeNumber? = nil) {
        self.nodeID = nodeID
        self.bootID = bootID
        self.number = number
    }

    package static func readOrMake(_ database: Database, nodeID: String) throws(GrapeError) -> MemberRecord {
        do {
            guard let bytes = try database.get(.state, StateKey.member) else {
                let record = MemberRecord(nodeID: nodeID, bootID: .random(in: 1 ... .max))
                try record.write(database)
                return record
            }
            guard let record = MemberRecord(encoded: bytes) else {
                throw StorageError.damagedRow(path: database.path, family: .state, key: StateKey.member)
            }
            guard record.nodeID == nodeID else {
                throw GrapeError(
                    .cannotStart,
                    "\(database.path) is the data directory of node \(record.nodeID), the configuration says node_id "
                        + "\(nodeID): give each node a data_dir of its own")
            }
            return record
        } catch let error as StorageError {
            throw GrapeError(error)
        } catch let error as GrapeError {
            throw error
        } catch {
            throw GrapeError(.internalError, "\(error)")
        }
    }

    /// - Parameter joined: Set: the node is a member of that cluster from now on; identity, number and layout become durable
    ///   together.
    package func write(_ database: Database, joining joined: FoundedCluster? = nil) throws(StorageError) {
        var batch = try database.makeBatch()
        batch.put(.state, key: StateKey.member, value: encoded)
        if let joined {
            let identity = NodeIdentity(clusterID: joined.cluster, shardCount: joined.layout.placements.count)
            batch.put(.state, key: StateKey.identity, value: identity.encoded)
            batch.put(.catalog, key: CatalogKey.layout, value: joined.layout.encoded)
        }
        try database.write(batch, sync: true)
    }

    package var encoded: [UInt8] {
        var bytes: [UInt8] = [Self.format]
        bytes.appendLittleEndian(bootID)
        bytes.appendLittleEndian(number?.rawValue ?? 0)
        bytes.append(hasBegun ? 1 : 0)
        bytes.appendSized(nodeID.utf8)
        bytes.appendSized(founded?.encoded ?? [])
        return bytes
    }
}

extension MemberRecord {
    package init?(encoded bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard reader.integer(UInt8.self) == Self.format, let bootID = reader.integer(UInt64.self),
            let number = reader.integer(UInt32.self), let hasBegun = reader.integer(UInt8.self),
            let nodeID = reader.text(), let founded = reader.sized(), reader.isAtEnd
        else { return nil }
        self.init(nodeID: nodeID, bootID: bootID, number: number == 0 ? nil : NodeNumber(number))
        self.hasBegun = hasBegun == 1
        if !founded.isEmpty {
            guard let founded = FoundedCluster(encoded: Array(founded)) else { return nil }
            self.founded = founded
        }
    }
}

/// A cluster as its founder makes it: its id and its first layout.
package struct FoundedCluster: Sendable, Hashable {
    package var cluster: PointID
    package var layout: ClusterLayout

    /// Cluster id (128 bits), then the layout.
    package var encoded: [UInt8] { cluster.encoded.dropFirst() + layout.encoded }

    package init(cluster: PointID, layout: ClusterLayout) {
        self.cluster = cluster
        self.layout = layout
    }

    package init?(encoded bytes: [UInt8]) {
        guard bytes.count > 16, let cluster = PointID(encoded: [2] + bytes[..<16]),
            let layout = ClusterLayout(encoded: Array(bytes[16...]))
        else { return nil }
        self.init(cluster: cluster, layout: layout)
    }
}
