import GrapeRaft

/// One atomic write to a replica's disk.
struct DiskWrite {
    var hardState: HardState?
    var entries: [Entry] = []
    /// A snapshot takes the place of log and state at once.
    var snapshot: Snapshot?
    /// The state after applying: data and applied index in one write (RAFT.md, durability 4).
    var map: ReplicatedMap?
    /// What may be said when the write is durable.
    var responses: [Message] = []
}

/// A disk that loses what was not synced: after a crash some front part of the unsynced writes is there, the next one
/// may be torn, the rest is gone.
///
/// `log` and `map` are the durable image; writes wait outside it until a sync covers them. One sync at a time covers
/// all that was written before it began.
struct SimulatedDisk {
    let log = MemoryStorage()
    private(set) var map: ReplicatedMap
    private var waiting: [DiskWrite] = []
    private var syncing = 0
    /// Set where the planted bug asks for it.
    let forgetsVote: Bool

    init(emptyMap: ReplicatedMap, forgetsVote: Bool) {
        map = emptyMap
        self.forgetsVote = forgetsVote
    }

    /// The first member's disk: an empty group of these members.
    mutating func found(_ confState: ConfState) throws(RaftStorageError) {
        let start = Snapshot(term: Term(1), index: LogIndex(1), confState: confState)
        try log.applySnapshot(start)
        log.setHardState(HardState(term: Term(1), commit: start.index))
        map.start(at: start.index, confState)
    }

    var isSyncing: Bool { syncing > 0 }
    var hasWaiting: Bool { waiting.count > syncing }

    mutating func write(_ write: DiskWrite) { waiting.append(write) }

    mutating func beginSync() {
        precondition(syncing == 0, "a sync of \(syncing) writes is under way")
        syncing = waiting.count
    }

    /// Everything that the sync covered is durable. Returns it in order.
    mutating func endSync() throws(RaftStorageError) -> [DiskWrite] {
        let done = Array(waiting.prefix(syncing))
        waiting.removeFirst(syncing)
        syncing = 0
        for index in done.indices { try makeDurable(done[index]) }
        return done
    }

    /// The machine stops. Returns the unsynced writes that survived all the same.
    mutating func crash(keeping survivors: Int) throws(RaftStorageError) -> [DiskWrite] {
        syncing = min(survivors, waiting.count)
        let kept = try endSync()
        waiting = []
        return kept
    }

    var unsynced: Int { waiting.count }

    private mutating func makeDurable(_ write: DiskWrite) throws(RaftStorageError) {
        if let snapshot = write.snapshot, let image = write.map {
            if snapshot.index <= map.applied { return }
            try log.applySnapshot(snapshot)
            map = image
        }
        if !write.entries.isEmpty { try log.append(write.entries) }
        if var state = write.hardState {
            if forgetsVote { state.vote = .none }
            log.setHardState(state)
        }
        if write.snapshot == nil, let image = write.map, image.applied > map.applied {
            try log.createSnapshot(at: image.applied, confState: image.confState)
            map = image
        }
    }

    /// Log that the durable state covers goes, but for the last `kept` entries. Returns whether any went.
    mutating func compact(keeping kept: Int) throws(RaftStorageError) -> Bool {
        let first = try log.firstIndex().rawValue
        let applied = map.applied.rawValue
        // In steps of some size: a real log goes file by file.
        guard applied >= first + UInt64(kept) + 8 else { return false }
        try log.compact(to: LogIndex(applied - UInt64(kept)))
        return true
    }
}
