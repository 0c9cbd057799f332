import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage

/// A data directory that no server has open, to be looked at, backed up or mended. One that a server has open is refused
/// by name.
package struct DataDirectory: Sendable {
    package let database: Database
    package let clusterID: PointID
    package let shardCount: Int
    let record: MemberRecord
    package let catalog: CatalogState
    /// The replicas that the directory has, in the order of their groups.
    package let groups: [(group: LogGroup, state: GroupState)]

    package var path: String { database.path }
    package var nodeID: String { record.nodeID }
    package var number: NodeNumber? { record.number }

    /// - Parameter writing: whether it is to be changed; else it is left as it is to the last byte.
    package init(_ path: String, writing: Bool = false) throws(GrapeError) {
        var options = StorageOptions()
        options.createIfMissing = false
        options.readOnly = !writing
        options.cacheBytes = 64 << 20
        let database: Database
        do throws(StorageError) {
            database = try Database.open(path: path, options: options)
        } catch {
            throw GrapeError(error)
        }
        do throws(GrapeError) {
            try self.init(database)
        } catch {
            try? database.close()
            throw error
        }
    }

    private init(_ database: Database) throws(GrapeError) {
        self.database = database
        do {
            guard let bytes = try database.get(.state, StateKey.identity),
                let row = try database.get(.state, StateKey.member)
            else {
                throw GrapeError(.cannotStart, "\(database.path) belongs to no cluster yet: there is nothing in it")
            }
            var reader = ByteReader(bytes)
            guard reader.integer(UInt8.self) == 1, let cluster = reader.bytes(16),
                let id = PointID(encoded: [2] + cluster), let count = reader.integer(UInt32.self), count > 0,
                count <= UInt16.max, let record = MemberRecord(encoded: row)
            else { throw StorageError.damagedRow(path: database.path, family: .state, key: StateKey.identity) }
            clusterID = id
            shardCount = Int(count)
            self.record = record
            catalog = try CatalogState.read(database)
            var groups: [(group: LogGroup, state: GroupState)] = []
            for group in LogGroup.all(shardCount: Int(count)) {
                guard let bytes = try database.get(.state, StateKey.group(group)) else { continue }
                guard let state = GroupState(encoded: bytes) else {
                    throw StorageError.damagedRow(path: database.path, family: .state, key: StateKey.group(group))
                }
                groups.append((group, state))
            }
            self.groups = groups
        } catch let error as StorageError {
            throw GrapeError(error)
        } catch let error as GrapeError {
            throw error
        } catch {
            throw GrapeError(.internalError, "\(error)")
        }
    }

    package func close() throws(GrapeError) {
        do throws(StorageError) {
            try database.close()
        } catch {
            throw GrapeError(error)
        }
    }

    /// Whether a node on it is a cluster of one, and needs nobody else to write.
    package var isAlone: Bool {
        let layout = catalog.layout
        return layout.members.allSatisfy { $0.number == record.number }
            && layout.placements.allSatisfy { $0.all.allSatisfy { $0.node == record.number } }
    }

    /// Shards of which it has a replica.
    package var heldShards: [ShardID] {
        groups.compactMap { if case .shard(let shard) = $0.group { shard } else { nil } }
    }

    package var clusterBytes: [UInt8] { Array(clusterID.encoded.dropFirst()) }

    /// How a node opens it by itself, without changing who it is.
    package func nodeOptions(version: String) -> NodeOptions {
        var options = NodeOptions(dataDirectory: path)
        options.nodeID = record.nodeID
        options.shardCount = shardCount
        options.version = version
        options.storage.cacheBytes = 64 << 20
        if let member = catalog.layout.members.first(where: { $0.number == record.number }) {
            options.addresses = member.addresses
            options.version = member.version
        }
        return options
    }
}
