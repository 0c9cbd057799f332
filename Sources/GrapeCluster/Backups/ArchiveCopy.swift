import GrapeEngine
import GrapeStorage
import Synchronization

/// An archive on its way here from another node.
///
/// Thread safety: `state` is guarded by its mutex.
final class ArchiveCopy: Sendable {
    private struct State: ~Copyable {
        var file: OutputFile
        var hash = FileHash()
    }

    private let store: BackupStore
    private let state: Mutex<State>

    init(_ store: BackupStore, _ info: BackupInfo) throws(ArchiveError) {
        self.store = store
        do throws(StorageError) {
            _ = try store.begin(info.id)
            let file = try OutputFile(store.partialPath(info.id), replacing: true)
            state = Mutex(State(file: file))
        } catch {
            throw .storage(error)
        }
    }

    func add(_ piece: [UInt8]) throws(ArchiveError) {
        try state.withLock { (state) throws(ArchiveError) in
            state.hash.add(piece)
            do throws(StorageError) {
                try state.file.write(piece)
            } catch {
                throw .storage(error)
            }
        }
    }

    /// All of it is here: it counts from now on, if it is what it was there.
    func publish(_ info: BackupInfo) throws(ArchiveError) {
        let (bytes, sha256) = try state.withLock { (state) throws(ArchiveError) in
            do throws(StorageError) {
                try state.file.sync()
            } catch {
                throw .storage(error)
            }
            return (state.file.byteCount, state.hash.text)
        }
        guard bytes == info.bytes, sha256 == info.sha256 else {
            throw .damaged(file: nil, "what came of it has another SHA-256 than it has where it comes from")
        }
        do throws(StorageError) {
            try store.publish(info)
        } catch {
            throw .storage(error)
        }
    }
}
