import CHash
import Glibc

/// The records in a file of RocksDB's log format, which the write-ahead logs and the MANIFEST share.
///
/// The format (RocksDB wiki, "Write Ahead Log File Format"): blocks of 32 KiB; a record is a masked CRC32C over type
/// and payload, a 16-bit length, a type (1 whole, 2 first, 3 middle, 4 last) and the payload, and never starts in the
/// last six bytes of a block. Files are preallocated, so zeros may follow the last record.
package enum LogRecords {
    package enum Reason: Sendable {
        /// The file ends there, or was never written.
        case written
        /// What begins there is no whole record with its checksum.
        case unreadable
        /// The visitor wants no more.
        case stopped
    }

    /// How far a file was read, and why no further.
    package struct End: Sendable {
        package let reason: Reason
        package let offset: Int
    }

    private static let blockBytes = 32 << 10
    private static let headerBytes = 7

    /// Reads one record after the other.
    /// - Parameters:
    ///   - name: of the file in the directory `path`.
    ///   - visit: hears of each one's type and payload; false: no more.
    package static func read(
        _ name: String, path: String, _ visit: (_ type: UInt8, _ payload: Span<UInt8>) -> Bool
    ) throws(StorageError) -> End {
        let descriptor = Glibc.open(path + "/" + name, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("open \(name)", at: .init(path: path)) }
        defer { Glibc.close(descriptor) }
        var block = [UInt8](repeating: 0, count: blockBytes)
        var offset = 0
        while true {
            let count = pread(descriptor, &block, block.count, offset)
            if count < 0 { throw .system("read \(name)", at: .init(path: path)) }
            if count == 0 { return End(reason: .written, offset: offset) }
            let end = readBlock(block.span.extracting(first: count), visit)
            if let end { return End(reason: end.reason, offset: offset + end.offset) }
            offset += count
        }
    }

    /// nil: the next block goes on.
    private static func readBlock(_ block: Span<UInt8>, _ visit: (UInt8, Span<UInt8>) -> Bool) -> End? {
        var place = 0
        while place + headerBytes <= block.count {
            let masked = block.uint32LittleEndian(at: place)
            let length = Int(block.uint16LittleEndian(at: place + 4))
            let type = block[place + 6]
            if type == 0 && length == 0 && masked == 0 { return End(reason: .written, offset: place) }
            let end = place + headerBytes + length
            guard (1...4).contains(type), end <= block.count else { return End(reason: .unreadable, offset: place) }
            let sum = CRC32C.checksum(block.extracting((place + 6)..<end).bytes)
            let rotated = (sum >> 15 | sum << 17) &+ 0xa282_ead8
            guard masked == rotated else { return End(reason: .unreadable, offset: place) }
            guard visit(type, block.extracting((place + headerBytes)..<end)) else {
                return End(reason: .stopped, offset: place)
            }
            place = end
        }
        return nil
    }
}
