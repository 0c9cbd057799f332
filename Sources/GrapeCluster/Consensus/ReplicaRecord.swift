import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage

/// This node's replica of a group, as a row of the directory.
///
/// Layout, little-endian: format (8 bits), replica id (64), whether it may have lost what it acknowledged (8).
package struct ReplicaRecord: Sendable, Hashable {
    private static let format: UInt8 = 1

    package var id: ReplicaID
    package var isLost = false

    static func read(_ group: LogGroup, _ database: Database) throws(StorageError) -> ReplicaRecord? {
        let key = StateKey.replica(group)
        guard let bytes = try database.get(.state, key) else { return nil }
        var reader = ByteReader(bytes)
        guard reader.integer(UInt8.self) == format, let id = reader.integer(UInt64.self),
            let isLost = reader.integer(UInt8.self)
        else { throw .damagedRow(path: database.path, family: .state, key: key) }
        return ReplicaRecord(id: ReplicaID(id), isLost: isLost == 1)
    }

    var encoded: [UInt8] {
        var bytes: [UInt8] = [Self.format]
        bytes.appendLittleEndian(id.rawValue)
        bytes.append(isLost ? 1 : 0)
        return bytes
    }
}
