import CHash
import Glibc

/// Reads RocksDB's write-ahead logs as recovery would, to learn how far they reach and which file is damaged.
///
/// The format (RocksDB wiki, "Write Ahead Log File Format"): blocks of 32 KiB; a record is a masked CRC32C over type
/// and payload, a 16-bit length, a type (1 whole, 2 first, 3 middle, 4 last) and the payload, and never starts in the
/// last six bytes of a block. A batch begins with its first sequence number (64 bits) and its count (32 bits). Files
/// are preallocated, so zeros may follow the last record.
struct LogScan {
    struct Damage: Equatable {
        let file: String
        let offset: Int
    }

    /// The last sequence number that can be read in one run from the oldest log on; 0 if there is none.
    private(set) var reached: UInt64 = 0
    /// Where the run ended, if not at the end of the last file.
    private(set) var damage: Damage?
    private(set) var lastFile: String?
    /// The last sequence number of a batch whose final fragment has not been read yet.
    private var unfinished: UInt64?

    private static let blockBytes = 32 << 10
    private static let headerBytes = 7

    static func run(path: String) throws(StorageError) -> LogScan {
        var scan = LogScan()
        for number in try Directory.logNumbers(path) {
            let name = Directory.logName(number)
            scan.lastFile = name
            // A torn tail before the newest log is normal where the next one continues the count (recovery from a full
            // disk begins a new log); anything else ends the run.
            guard try scan.read(name, path: path) else { break }
        }
        return scan
    }

    /// Returns false where a file does not continue the one before it.
    private mutating func read(_ name: String, path: String) throws(StorageError) -> Bool {
        let file = path + "/" + name
        let descriptor = Glibc.open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("open \(name)", at: .init(path: path)) }
        defer { Glibc.close(descriptor) }
        var block = [UInt8](repeating: 0, count: Self.blockBytes)
        var offset = 0
        while true {
            let count = pread(descriptor, &block, block.count, offset)
            if count < 0 { throw .system("read \(name)", at: .init(path: path)) }
            if count == 0 { return true }
            switch readBlock(block.span.extracting(first: count)) {
            case .whole: offset += count
            case .ends: return true
            case .gap: return false
            case .unreadable(let place):
                if damage == nil { damage = Damage(file: name, offset: offset + place) }
                return true
            }
        }
    }

    private enum Outcome {
        case whole
        /// Zeros follow: the rest of the file was never written.
        case ends
        case gap
        case unreadable(Int)
    }

    private mutating func readBlock(_ block: Span<UInt8>) -> Outcome {
        var place = 0
        while place + Self.headerBytes <= block.count {
            let masked = block.uint32LittleEndian(at: place)
            let length = Int(block.uint16LittleEndian(at: place + 4))
            let type = block[place + 6]
            if type == 0 && length == 0 && masked == 0 { return .ends }
            let end = place + Self.headerBytes + length
            guard (1...4).contains(type), end <= block.count else { return .unreadable(place) }
            let sum = CRC32C.checksum(block.extracting((place + 6)..<end).bytes)
            let rotated = (sum >> 15 | sum << 17) &+ 0xa282_ead8
            guard masked == rotated else { return .unreadable(place) }
            if type <= 2 && length >= 12 {
                let first = block.uint64LittleEndian(at: place + Self.headerBytes)
                let count = block.uint32LittleEndian(at: place + Self.headerBytes + 8)
                if reached != 0 && first > reached + 1 { return .gap }
                unfinished = first + UInt64(count) - (count == 0 ? 0 : 1)
            }
            if let last = unfinished, type == 1 || type == 4 {
                reached = max(reached, last)
                unfinished = nil
            }
            place = end
        }
        return .whole
    }
}
