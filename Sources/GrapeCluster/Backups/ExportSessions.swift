import GrapeEngine
import GrapeModel
import GrapeStorage
import Synchronization

/// Exports that another node reads block by block, for an archive that it makes.
///
/// Thread safety: `sessions` is guarded by its mutex; exports guard themselves.
final class ExportSessions: Sendable {
    private struct Session {
        let export: ShardExport
        var lastUse = ContinuousClock.now
    }

    private let options: BackupOptions
    private let sessions = Mutex<[UInt64: Session]>([:])

    init(_ options: BackupOptions) { self.options = options }

    /// -> its number.
    func add(_ export: ShardExport) throws(GrapeError) -> UInt64 {
        closeIdle()
        let number = UInt64.random(in: 1 ... .max)
        let isTaken = sessions.withLock { sessions in
            guard sessions.count < options.sessionsMax else { return false }
            sessions[number] = Session(export: export)
            return true
        }
        guard isTaken else {
            export.close()
            throw GrapeError(.overloaded, "this node exports for others as much as it can", retryAfterSeconds: 1)
        }
        Task { [weak self] in await self?.watch(number) }
        return number
    }

    /// One that nobody goes on with must not keep old rows for ever.
    private func watch(_ session: UInt64) async {
        while sessions.withLock({ $0[session] != nil }) {
            try? await Task.sleep(for: options.sessionIdle)
            closeIdle()
        }
    }

    /// A block, none behind the footer; nil where the session is gone. The last answer may be asked for again.
    func block(_ session: UInt64, _ number: UInt32) throws(ExportError) -> [UInt8]? {
        let export = sessions.withLock { sessions in
            sessions[session]?.lastUse = .now
            return sessions[session]?.export
        }
        guard let export else { return nil }
        try export.seek(to: Int(number))
        if let block = try export.next() { return block }
        close(session)
        return []
    }

    func close(_ session: UInt64) { sessions.withLock { $0.removeValue(forKey: session) }?.export.close() }

    func closeAll() {
        for session in sessions.withLock({ Array($0.keys) }) { close(session) }
    }

    private func closeIdle() {
        let idle = sessions.withLock { $0.filter { $0.value.lastUse + options.sessionIdle < .now } }
        for session in idle.keys { close(session) }
    }
}
