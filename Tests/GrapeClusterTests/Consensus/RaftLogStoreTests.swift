import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage
import GrapeTestKit
import Testing

/// The log on disk against the log in memory.
@Suite struct RaftLogStoreTests {
    private let directory: TemporaryDirectory
    private let group = LogGroup.shard(ShardID(3))

    init() throws { directory = try TemporaryDirectory() }

    private func openDatabase() throws -> Database {
        var options = StorageOptions()
        options.cacheBytes = 1 << 20
        options.writeBufferBytes = 1 << 20
        return try Database.open(path: directory.path, options: options)
    }

    @Test(arguments: 0..<8) func `Random writes, cuts, compactions and restarts read like the log in memory`(
        seed: UInt64
    ) throws {
        var random = Xoshiro256(seed: seed)
        var database = try openDatabase()
        var run = try Run(group: group, database: database)
        for step in 0..<300 {
            switch random.below(20) {
            case 0..<11: try run.append(&random)
            case 11..<15: try run.cut(&random)
            case 15..<18: try run.apply(&random)
            case 18: try run.compact(&random)
            default:
                try run.finish()
                try database.close()
                database = try openDatabase()
                try run.reopen(database)
            }
            if step % 10 == 0 { try run.checkAll() }
            try run.checkSome(&random)
        }
        try run.finish()
        try database.close()
    }
}

/// One log and its twin.
private struct Run {
    let group: LogGroup
    var database: Database?
    var store: RaftLogStore?
    let twin = MemoryStorage()
    var state = GroupState()
    var term = Term(1)

    init(group: LogGroup, database: Database) throws {
        self.group = group
        self.database = database
        let conf = ConfState(voters: [ReplicaID(1)])
        try twin.applySnapshot(GrapeRaft.Snapshot(term: Term(1), index: RaftIndex(1), confState: conf))
        state.applied = GrapeModel.LogIndex(1)
        state.appliedTerm = 1
        state.configuration = conf.encoded
        store = RaftLogStore(
            group: group, database: database, state: state, base: EntryID(term: Term(1), index: RaftIndex(1)),
            hardState: HardState())
    }

    mutating func finish() throws {
        store = nil
        database = nil
    }

    mutating func reopen(_ database: Database) throws {
        let hardState = try database.get(.state, StateKey.hardState(group)).flatMap(HardState.init(encoded:))
        let base = try database.get(.state, StateKey.logBase(group)).flatMap(EntryID.init(encoded:))
        self.database = database
        store = RaftLogStore(
            group: group, database: database, state: state, base: base ?? EntryID(term: Term(1), index: RaftIndex(1)),
            hardState: hardState ?? HardState())
        try store?.loadEnd()
    }

    mutating func append(_ random: inout Xoshiro256) throws {
        try write(after: try twin.lastIndex(), &random)
    }

    /// Another leader's entries take the place of what is not applied.
    mutating func cut(_ random: inout Xoshiro256) throws {
        let applied = RaftIndex(state.applied.rawValue)
        let room = try twin.lastIndex().distance(from: applied)
        try write(after: applied.advanced(by: random.within(0...room)), &random)
    }

    private mutating func write(after index: RaftIndex, _ random: inout Xoshiro256) throws {
        let (database, store) = try (#require(database), #require(store))
        let end = try twin.lastIndex()
        if random.below(3) == 0 || index < end { term = term.next }
        let entries = (1...random.within(1...6)).map { offset in
            let size = random.below(8) == 0 ? random.below(70_000) : random.below(50)
            let kind: EntryKind = random.below(10) == 0 ? (random.below(2) == 0 ? .confChange : .confChangeV2) : .normal
            return Entry(
                term: term, index: index.advanced(by: offset), kind: kind,
                data: [UInt8](repeating: UInt8(truncatingIfNeeded: random.next()), count: size))
        }
        let hardState = HardState(term: term, vote: ReplicaID(random.next()), commit: RaftIndex(state.applied.rawValue))
        var batch = try database.makeBatch()
        store.put(entries, hardState, into: &batch)
        try database.write(batch)
        store.note(entries, hardState)
        try twin.append(entries)
        twin.setHardState(hardState)
    }

    mutating func apply(_ random: inout Xoshiro256) throws {
        let store = try #require(store)
        let applied = RaftIndex(state.applied.rawValue)
        let room = try twin.lastIndex().distance(from: applied)
        guard room > 0 else { return }
        let next = applied.advanced(by: random.within(1...room))
        let conf = ConfState(voters: [ReplicaID(1), ReplicaID(next.rawValue + 1)])
        state.applied = GrapeModel.LogIndex(next.rawValue)
        state.appliedTerm = try twin.term(at: next).rawValue
        state.configuration = conf.encoded
        try twin.createSnapshot(at: next, confState: conf)
        store.noteApplied(EntryID(term: Term(state.appliedTerm), index: next), confState: conf)
    }

    private func key(_ index: RaftIndex) -> [UInt8] {
        var key: [UInt8] = []
        key.appendBigEndian(group.number)
        key.appendBigEndian(index.rawValue)
        return key
    }

    mutating func compact(_ random: inout Xoshiro256) throws {
        let first = try twin.firstIndex()
        let applied = RaftIndex(state.applied.rawValue)
        guard applied >= first else { return }
        let index = first.advanced(by: random.below(applied.distance(from: first) + 1))
        let (database, store) = try (#require(database), #require(store))
        let base = EntryID(term: try twin.term(at: index), index: index)
        var batch = try database.makeBatch()
        store.putBase(base, into: &batch)
        try database.write(batch)
        store.noteBase(base)
        // A crash may come between the two.
        if random.below(2) == 0 {
            try database.dropRange(.log, from: key(RaftIndex(0)), to: key(index.next))
        }
        try twin.compact(to: index)
    }

    // MARK: Checks

    func checkAll() throws {
        let store = try #require(store)
        #expect(try store.firstIndex() == twin.firstIndex())
        #expect(try store.lastIndex() == twin.lastIndex())
        #expect(store.hardState == twin.hardState)
        #expect(try store.snapshot() == twin.snapshot())
        var index = try twin.firstIndex().previous
        while index <= (try twin.lastIndex()) {
            #expect(try store.term(at: index) == twin.term(at: index))
            index = index.next
        }
        let (first, end) = try (twin.firstIndex(), twin.lastIndex().next)
        #expect(
            try store.entries(from: first, to: end, sizeMax: .max) == twin.entries(from: first, to: end, sizeMax: .max))
    }

    /// Also what is out of range must be refused alike.
    func checkSome(_ random: inout Xoshiro256) throws {
        let store = try #require(store)
        let low = max(1, try twin.firstIndex().rawValue) - 1
        let span = Int(try twin.lastIndex().rawValue - low) + 4
        let start = RaftIndex(low + UInt64(random.below(span)))
        let end = RaftIndex(start.rawValue + UInt64(random.below(8)))
        let sizeMax = UInt64(random.below(2) == 0 ? random.below(100_000) : 0)
        #expect(
            outcome { () throws(RaftStorageError) in try store.entries(from: start, to: end, sizeMax: sizeMax) }
                == outcome { () throws(RaftStorageError) in try twin.entries(from: start, to: end, sizeMax: sizeMax) })
        #expect(
            outcome { () throws(RaftStorageError) in try store.term(at: start) }
                == outcome { () throws(RaftStorageError) in try twin.term(at: start) })
    }

    private func outcome<Value>(_ read: () throws(RaftStorageError) -> Value) -> Result<Value, RaftStorageError> {
        do { return .success(try read()) } catch { return .failure(error) }
    }
}
