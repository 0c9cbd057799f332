/// Reads RocksDB's write-ahead logs as recovery would, to learn how far they reach and which file is damaged.
///
/// A batch, which may span several records of `LogRecords`, begins with its first sequence number (64 bits) and its count
/// (32 bits).
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

    private static let batchHeaderBytes = 12

    static func run(path: String) throws(StorageError) -> LogScan {
        var scan = LogScan()
        for number in try Directory.logNumbers(path) {
            let name = Directory.logName(number)
            scan.lastFile = name
            // A torn tail before the newest log is normal where the next one continues the count (recovery from a full
            // disk begins a new log); anything else ends the run.
            let end = try LogRecords.read(name, path: path) { scan.take(type: $0, $1) }
            if end.reason == .unreadable, scan.damage == nil { scan.damage = Damage(file: name, offset: end.offset) }
            if end.reason == .stopped { break }
        }
        return scan
    }

    /// Returns false where a batch does not continue the one before it.
    private mutating func take(type: UInt8, _ payload: Span<UInt8>) -> Bool {
        if type <= 2 && payload.count >= Self.batchHeaderBytes {
            let first = payload.uint64LittleEndian(at: 0)
            let count = payload.uint32LittleEndian(at: 8)
            if reached != 0 && first > reached + 1 { return false }
            unfinished = first + UInt64(count) - (count == 0 ? 0 : 1)
        }
        if let last = unfinished, type == 1 || type == 4 {
            reached = max(reached, last)
            unfinished = nil
        }
        return true
    }
}
