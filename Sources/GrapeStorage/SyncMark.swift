import GrapeModel
import CRocksDBExtras
import Glibc
import Synchronization

/// Remembers what is known to be on disk, in the small file `synced`: the last sequence number in the write-ahead log,
/// and the MANIFEST with its length.
///
/// RocksDB ends the replay of a log, and the reading of its MANIFEST, at the first record that is cut off, and calls it
/// a torn tail. A torn tail is normal after a crash, but only beyond what was synced; before that it is damage, and
/// acknowledged writes are gone. This file tells the two apart. It is written after each sync, so it is never ahead;
/// it is not synced itself, so after a power loss it may be some seconds behind and then forgives a loss in that window.
///
/// Layout: four slots of 24 bytes (two numbers, CRC32C, zero), two for the sequence number and two for the MANIFEST,
/// each pair written in turn, so that a torn write spoils one.
///
/// Thread safety: `state` is guarded by its lock; the write to the file happens under it, so slots stay in order.
final class SyncMark: Sendable {
    private static let slotBytes = 24

    private enum Pair: Int {
        case sequence = 0
        case manifest = 2
    }

    private struct State {
        var sequence: UInt64 = 0
        var nextSlots = [0, 0, 0]
    }

    private let path: String
    private let settings: RocksSettings
    private let descriptor: Int32
    private let state = Mutex(State())

    /// - Parameter settings: of the database, whose handles live at least as long as notes are made.
    init(path: String, settings: RocksSettings) throws(StorageError) {
        self.path = path
        self.settings = settings
        descriptor = Glibc.open(path + "/synced", O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .system("open synced", at: .init(path: path)) }
    }

    deinit {
        if descriptor >= 0 { Glibc.close(descriptor) }
    }

    /// Everything up to `sequence` is on disk.
    func advance(to sequence: UInt64) {
        state.withLock { state in
            guard sequence > state.sequence else { return }
            state.sequence = sequence
            write(sequence, 0, .sequence, &state)
        }
    }

    /// Notes the MANIFEST's length, after bringing it to the disk; not while the disk is full, when it may end in a part of a
    /// record.
    func noteManifest() {
        let monitor = settings.monitor
        guard grape_monitor_is_waiting_for_space(monitor) == 0, grape_monitor_has_error(monitor) == 0 else { return }
        guard let number = try? Self.currentManifest(path) else { return }
        let file = Glibc.open(path + "/" + Self.manifestName(number), O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return }
        defer { Glibc.close(file) }
        var info = stat()
        guard fstat(file, &info) == 0, fdatasync(file) == 0 else { return }
        state.withLock { write(number, UInt64(max(0, info.st_size)), .manifest, &$0) }
    }

    /// Has `noteManifest` called after every flush and compaction. The mark must outlive the database's handles.
    func observe() {
        noteManifest()
        let context = Unmanaged.passUnretained(self).toOpaque()
        grape_monitor_observe(settings.monitor, { context in noteManifestOfMark(context) }, context)
    }

    /// A failure to note is no failure of the sync: the mark stays behind.
    private func write(_ first: UInt64, _ second: UInt64, _ pair: Pair, _ state: inout State) {
        var bytes: [UInt8] = []
        bytes.appendLittleEndian(first)
        bytes.appendLittleEndian(second)
        bytes.appendLittleEndian(CRC32C.checksum(bytes))
        bytes.appendLittleEndian(UInt32(0))
        let slot = pair.rawValue + state.nextSlots[pair.rawValue]
        if pwrite(descriptor, bytes, bytes.count, slot * Self.slotBytes) == bytes.count {
            state.nextSlots[pair.rawValue] ^= 1
        }
    }

    // MARK: At the open

    /// Throws `.corruption` if the MANIFEST cannot be read up to the length that it had. A newer MANIFEST than noted is
    /// normal: RocksDB begins one at every open and when the old one grows long.
    static func checkManifest(path: String) throws(StorageError) {
        guard let bytes = read(path), let (number, length) = latest(bytes, .manifest) else { return }
        let current = try currentManifest(path)
        let file = manifestName(current)
        if current < number {
            let detail = "CURRENT names \(file), but \(manifestName(number)) was in use"
            throw .corruption(.init(path: path), file: "CURRENT", detail: detail)
        }
        guard current == number else { return }
        let found = Directory.byteCount(path + "/" + file)
        if found < length {
            throw .corruption(.init(path: path), file: file, detail: "\(found) bytes long, it had \(length)")
        }
        // RocksDB takes zeros, and a record that claims to be longer than the file, for a torn tail: it forgets the records
        // after them, and deletes the tables that those add.
        let end = try LogRecords.read(file, path: path) { _, _ in true }
        if UInt64(end.offset) < length {
            let detail = "unreadable at byte \(end.offset), \(length) bytes were synced"
            throw .corruption(.init(path: path), file: file, detail: detail)
        }
    }

    /// Throws `.corruption` if the logs, and the tables that `openedSequence` looks into when the logs alone do not tell,
    /// end before what was synced.
    static func checkLogs(path: String, openedSequence: () throws(StorageError) -> UInt64) throws(StorageError) {
        guard let bytes = read(path), let (synced, _) = latest(bytes, .sequence) else { return }
        let scan = try LogScan.run(path: path)
        if scan.reached >= synced { return }
        if try openedSequence() >= synced { return }
        let missing = "writes up to sequence number \(synced) were synced, the logs end at \(scan.reached)"
        let damage = scan.damage.map { "unreadable at byte \($0.offset): " } ?? ""
        throw .corruption(.init(path: path), file: scan.damage?.file ?? scan.lastFile, detail: damage + missing)
    }

    private static func currentManifest(_ path: String) throws(StorageError) -> UInt64 {
        let bytes = Directory.head(path + "/CURRENT", byteCount: 64)
        let line = String(decoding: bytes, as: UTF8.self)
        guard line.hasPrefix("MANIFEST-"), line.hasSuffix("\n"), let number = UInt64(line.dropFirst(9).dropLast())
        else {
            throw .corruption(.init(path: path), file: "CURRENT", detail: "it names no MANIFEST")
        }
        return number
    }

    private static func manifestName(_ number: UInt64) -> String {
        let digits = String(number)
        return "MANIFEST-" + String(repeating: "0", count: max(0, 6 - digits.count)) + digits
    }

    private static func read(_ path: String) -> [UInt8]? {
        let bytes = Directory.head(path + "/synced", byteCount: 4 * slotBytes)
        return bytes.isEmpty ? nil : bytes + [UInt8](repeating: 0, count: 4 * slotBytes - bytes.count)
    }

    /// The later of a pair's two slots.
    private static func latest(_ bytes: [UInt8], _ pair: Pair) -> (UInt64, UInt64)? {
        let span = bytes.span
        var found: (UInt64, UInt64)?
        for slot in pair.rawValue...(pair.rawValue + 1) {
            let offset = slot * slotBytes
            let sum = CRC32C.checksum(Array(bytes[offset..<(offset + 16)]))
            guard span.uint32LittleEndian(at: offset + 16) == sum else { continue }
            let read = (span.uint64LittleEndian(at: offset), span.uint64LittleEndian(at: offset + 8))
            if read.0 != 0, found.map({ read > $0 }) ?? true { found = read }
        }
        return found
    }
}

/// A global function: a closure written where an actor isolates it would stop the process on RocksDB's threads.
private func noteManifestOfMark(_ context: UnsafeMutableRawPointer?) {
    guard let context else { return }
    Unmanaged<SyncMark>.fromOpaque(context).takeUnretainedValue().noteManifest()
}
