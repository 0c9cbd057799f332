import Glibc

/// A small file of records of one size, beside the database: each record has two slots that are written in turn, with a
/// number that rises and a checksum, so that a torn write spoils one and the other still tells what was there before.
///
/// Slot, little-endian: number 64 bits, the record, CRC32C 32 bits. Record r has the slots 2r and 2r + 1.
///
/// Thread safety: one thread at a time (whoever owns it).
package final class SlotFile {
    private struct Place {
        var number: UInt64 = 0
        var slot = 0
    }

    private let path: String
    private let recordBytes: Int
    private let descriptor: Int32
    private var places: [Int: Place] = [:]

    private var slotBytes: Int { 8 + recordBytes + 4 }

    /// Opens or makes the file; `recordsMax` bounds what is read of it. -> `records`: the newest of each that is whole.
    package init(
        path: String, recordBytes: Int, recordsMax: Int, records: inout [Int: [UInt8]]
    ) throws(StorageError) {
        self.path = path
        self.recordBytes = recordBytes
        let isNew = access(path, F_OK) != 0
        descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .system("open", at: .init(path: path)) }
        if isNew { try syncDirectory() }
        records = try readAll(recordsMax: recordsMax)
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    /// Writes the record into the older of its slots. It is on disk after the next `sync`.
    package func write(_ record: [UInt8], at position: Int) throws(StorageError) {
        precondition(record.count == recordBytes, "a record of \(record.count) bytes, not \(recordBytes)")
        var place = places[position] ?? Place()
        place.number += 1
        place.slot ^= 1
        var bytes: [UInt8] = []
        bytes.reserveCapacity(slotBytes)
        withUnsafeBytes(of: place.number.littleEndian) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: record)
        withUnsafeBytes(of: CRC32C.checksum(bytes).littleEndian) { bytes.append(contentsOf: $0) }
        guard pwrite(descriptor, bytes, bytes.count, (2 * position + place.slot) * slotBytes) == bytes.count else {
            throw .system("write", at: .init(path: path))
        }
        places[position] = place
    }

    package func sync() throws(StorageError) {
        guard fdatasync(descriptor) == 0 else { throw .system("fdatasync", at: .init(path: path)) }
    }

    // MARK: At the open

    private func readAll(recordsMax: Int) throws(StorageError) -> [Int: [UInt8]] {
        let bytes = Directory.head(path, byteCount: min(Int(Directory.byteCount(path)), 2 * recordsMax * slotBytes))
        var records: [Int: [UInt8]] = [:]
        for index in 0..<(bytes.count / slotBytes) {
            let slot = bytes[(index * slotBytes)..<((index + 1) * slotBytes)]
            let body = Array(slot.dropLast(4))
            let end = Array(slot.suffix(4)).span
            guard end.uint32LittleEndian(at: 0) == CRC32C.checksum(body) else { continue }
            let number = body.span.uint64LittleEndian(at: 0)
            let known = places[index / 2]?.number ?? 0
            guard number > known, number < UInt64.max else { continue }
            places[index / 2] = Place(number: number, slot: index % 2)
            records[index / 2] = Array(body.dropFirst(8))
        }
        return records
    }

    /// A new file's name is on disk only when its directory is.
    private func syncDirectory() throws(StorageError) {
        let end = path.lastIndex(of: "/") ?? path.startIndex
        let directory = Glibc.open(end == path.startIndex ? "." : String(path[..<end]), O_RDONLY | O_CLOEXEC)
        guard directory >= 0 else { throw .system("open", at: .init(path: path)) }
        defer { close(directory) }
        guard fsync(directory) == 0 else { throw .system("fsync", at: .init(path: path)) }
    }
}
