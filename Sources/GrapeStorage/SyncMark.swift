import CHash
import Glibc
import Synchronization

/// Remembers the last sequence number known to be on disk, in the small file `synced`.
///
/// RocksDB's point-in-time recovery ends at the first unreadable log record and calls it a torn tail. A torn tail is
/// normal after a crash, but only beyond what was synced; before that it is damage, and acknowledged writes are gone.
/// This file tells the two apart. It is written after each sync, so it is never ahead of the log; it is not synced
/// itself, so after a power loss it may be some seconds behind and then forgives a loss in that window.
///
/// Two slots of 16 bytes (sequence number, CRC32C, zero) are written in turn: a torn write spoils one.
///
/// Thread safety: `last` is guarded by its lock; the write to the file happens under it, so slots stay in order.
final class SyncMark: Sendable {
    private static let slotBytes = 16
    private struct State {
        var last: UInt64 = 0
        var slot = 0
    }

    private let descriptor: Int32
    private let state = Mutex(State())

    init(path: String) throws(StorageError) {
        descriptor = Glibc.open(path + "/synced", O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .system("open synced", at: .init(path: path)) }
    }

    deinit {
        if descriptor >= 0 { Glibc.close(descriptor) }
    }

    /// Everything up to `sequence` is on disk. A failure to note that is no failure of the sync: the mark stays behind.
    func advance(to sequence: UInt64) {
        state.withLock { state in
            guard sequence > state.last else { return }
            state.last = sequence
            var bytes: [UInt8] = []
            bytes.append(littleEndian: sequence)
            bytes.append(littleEndian: CRC32C.checksum(bytes))
            bytes.append(littleEndian: UInt32(0))
            if pwrite(descriptor, bytes, bytes.count, state.slot * Self.slotBytes) == bytes.count { state.slot ^= 1 }
        }
    }

    // MARK: At the open

    /// Throws `.corruption` if the logs, and the tables that `openedSequence` looks into when the logs alone do not
    /// tell, end before what was synced.
    static func check(
        path: String, openedSequence: () throws(StorageError) -> UInt64
    ) throws(StorageError) {
        guard let synced = read(path) else { return }
        let scan = try LogScan.run(path: path)
        if scan.reached >= synced { return }
        if try openedSequence() >= synced { return }
        let missing = "writes up to sequence number \(synced) were synced, the logs end at \(scan.reached)"
        let damage = scan.damage.map { "unreadable at byte \($0.offset): " } ?? ""
        throw .corruption(.init(path: path), file: scan.damage?.file ?? scan.lastFile, detail: damage + missing)
    }

    private static func read(_ path: String) -> UInt64? {
        let descriptor = Glibc.open(path + "/synced", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { Glibc.close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 2 * slotBytes)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        let slots = stride(from: 0, to: max(0, count - slotBytes + 1), by: slotBytes)
        return slots.compactMap { slot(bytes, at: $0) }.max()
    }

    private static func slot(_ bytes: [UInt8], at offset: Int) -> UInt64? {
        let sum = CRC32C.checksum(Array(bytes[offset..<(offset + 8)]))
        let span = bytes.span
        return span.uint32LittleEndian(at: offset + 8) == sum ? span.uint64LittleEndian(at: offset) : nil
    }
}
