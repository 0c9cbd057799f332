import GrapeRaft

/// A replica with its disk, its two storage threads and a state machine that keeps every entry.
final class Replica {
    let storage: MemoryStorage
    var configuration: RaftConfiguration
    var raft: Raft<MemoryStorage>
    var appendWork: [Message] = []
    var applyWork: [Message] = []
    /// What is applied, which survives a crash together with its index.
    var applied = LogIndex.zero
    var confState: ConfState
    private(set) var reads: [ReadState] = []
    private(set) var restarts: UInt64 = 0

    init(_ configuration: RaftConfiguration, confState: ConfState) throws {
        storage = MemoryStorage()
        // A log that begins after index 2 of term 1: bootstrapped, not born empty.
        let start = Snapshot(term: Term(1), index: LogIndex(2), confState: confState)
        try storage.applySnapshot(start)
        self.configuration = configuration
        self.configuration.applied = start.index
        self.confState = confState
        applied = start.index
        raft = try Raft(
            self.configuration, storage: storage, random: RaftRandom(seed: configuration.id.rawValue))
    }

    var id: ReplicaID { configuration.id }

    /// Everything but disk and state machine is lost.
    func crash() throws {
        appendWork = []
        applyWork = []
        restarts += 1
        configuration.applied = applied
        let seed = configuration.id.rawValue &+ restarts &* 1000
        raft = try Raft(configuration, storage: storage, random: RaftRandom(seed: seed))
    }

    func takeReads() -> [ReadState] {
        defer { reads = [] }
        return reads
    }

    /// Takes a `Ready` and returns what may leave at once.
    func takeReady() -> [Message] {
        let ready = raft.ready()
        reads += ready.readStates
        var outgoing: [Message] = []
        for message in ready.messages {
            switch message.to {
            case .appendThread: appendWork.append(message)
            case .applyThread: applyWork.append(message)
            default: outgoing.append(message)
            }
        }
        return outgoing
    }

    /// Makes the oldest write durable and returns what waited for it.
    func append() throws -> [Message] {
        let work = appendWork.removeFirst()
        if let state = work.hardState { storage.setHardState(state) }
        if let snapshot = work.snapshot {
            try storage.applySnapshot(snapshot)
            applied = max(applied, snapshot.index)
            confState = snapshot.confState
        }
        try storage.append(work.entries)
        return work.responses
    }

    /// Applies the oldest batch: `visit` sees each entry. Returns what waited for it.
    func apply(_ visit: (Entry) throws -> Void) throws -> [Message] {
        let work = applyWork.removeFirst()
        for entry in work.entries where entry.index > applied {
            try visit(entry)
            if entry.isConfChange, let changed = try? raft.applyConfChange(ConfChange(decoding: entry)) {
                confState = changed
            }
            applied = entry.index
        }
        if try applied > storage.snapshot().index {
            try storage.createSnapshot(at: applied, confState: confState)
        }
        return work.responses
    }
}
