import GrapeEngine
import GrapeModel
import GrapeStorage

/// The file `member` beside the database: which member of its cluster the directory is. Where the store is damaged as a
/// whole it alone still tells, so that the cluster takes the node back in the place of what it was (under a new number:
/// nothing that the damaged store promised is asked of the new one).
///
/// Layout, little-endian: boot id (64 bits), node number (32).
package struct MemberFile: Sendable, Hashable {
    private static let recordBytes = 12

    package let bootID: UInt64
    package let number: NodeNumber

    package init(bootID: UInt64, number: NodeNumber) {
        self.bootID = bootID
        self.number = number
    }

    /// nil where there is none that can be read.
    package static func read(_ directory: String) -> MemberFile? {
        var records: [Int: [UInt8]] = [:]
        _ = try? SlotFile(path: directory + "/member", recordBytes: recordBytes, recordsMax: 1, records: &records)
        var reader = ByteReader(records[0] ?? [])
        guard let bootID = reader.integer(UInt64.self), let number = reader.integer(UInt32.self) else { return nil }
        return MemberFile(bootID: bootID, number: NodeNumber(number))
    }

    package func write(_ directory: String) throws(StorageError) {
        guard Self.read(directory) != self else { return }
        var records: [Int: [UInt8]] = [:]
        let file = try SlotFile(
            path: directory + "/member", recordBytes: Self.recordBytes, recordsMax: 1, records: &records)
        var bytes: [UInt8] = []
        bytes.appendLittleEndian(bootID)
        bytes.appendLittleEndian(number.rawValue)
        try file.write(bytes, at: 0)
        try file.sync()
    }
}
