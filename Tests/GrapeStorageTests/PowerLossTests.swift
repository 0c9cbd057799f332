import GrapeStorage
import GrapeTestKit
import Testing

/// The power goes at every operation of a run, on a disk in memory.
@Suite struct PowerLossTests {
    private func options(_ files: MemoryFileSystem) -> StorageOptions {
        var options = smallOptions()
        options.fileSystem = files
        return options
    }

    /// What a run wrote: step n puts row n, and all rows of one batch have the same step.
    private struct Run {
        /// Operations on the disk when step n began.
        var begun: [UInt64] = []
        /// Operations on the disk when step n, and with it all before it, was known to be durable.
        var acknowledged: [(step: Int, operations: UInt64)] = []
        let files = MemoryFileSystem()
    }

    /// Steps of three rows in two families, with syncs, flushes, drops and reopenings in between.
    private func run(seed: UInt64, steps: Int, noting every: UInt64, keeping: UInt64) throws -> Run {
        var run = Run()
        var random = SplitMix64(seed: seed)
        run.files.noteLosses(every: every, seed: keeping)
        var database = try Database.open(path: "/memory", options: options(run.files))
        for step in 0..<steps {
            run.begun.append(run.files.operations)
            let isDurable = try write(step, to: database, sync: Int.random(in: 0..<3, using: &random) == 0)
            if isDurable { run.acknowledged.append((step, run.files.operations)) }
            switch Int.random(in: 0..<40, using: &random) {
            case 0: try database.flush()
            case 1: try database.compact(.log)
            case 2:
                try database.close()
                database = try Database.open(path: "/memory", options: options(run.files))
            default: break
            }
        }
        try database.close()
        return run
    }

    /// -> whether it is durable: now and then nobody asks for that.
    private func write(_ step: Int, to database: Database, sync: Bool) throws -> Bool {
        var batch = try database.makeBatch()
        batch.put(.vectors, key: key(step), value: value(step))
        batch.put(.log, key: key(step), value: value(step))
        batch.put(.state, key: [1], value: key(step))
        try database.write(batch, sync: sync)
        if !sync, step % 9 != 0 { try database.syncLog() }
        return sync || step % 9 != 0
    }

    /// One row, not synced.
    private func put(_ database: Database) throws(StorageError) {
        var batch = try database.makeBatch()
        batch.put(.log, key: [1], value: [2])
        try database.write(batch)
    }

    private func value(_ step: Int) -> [UInt8] {
        [UInt8](repeating: UInt8(truncatingIfNeeded: step), count: 20 + step * 37 % 900)
    }

    /// Everything acknowledged before so many operations is there, nothing that had not begun, and every step whole.
    private func check(_ left: MemoryFileSystem, _ operations: UInt64, _ run: Run) throws {
        let database = try Database.open(path: "/memory", options: options(left))
        let found = try database.get(.state, [1]).map { Int($0.span.uint64BigEndian(at: 0)) } ?? -1
        let acknowledged = run.acknowledged.last { $0.operations <= operations }?.step ?? -1
        let begun = run.begun.count { $0 < operations } - 1
        #expect(found >= acknowledged && found <= begun, "at operation \(operations)")
        for step in stride(from: 0, through: found, by: 1) {
            try #require(try database.get(.vectors, key(step)) == value(step), "step \(step), operation \(operations)")
            try #require(try database.get(.log, key(step)) == value(step), "step \(step), operation \(operations)")
        }
        #expect(try database.get(.vectors, key(found + 1)) == nil)
        try database.close()
    }

    @Test(arguments: [0, 1, 2] as [UInt64])
    func `A power loss at any operation keeps all that was acknowledged, and no half of a batch`(keeping: UInt64) throws
    {
        let run = try run(seed: 7 + keeping, steps: 120, noting: 3, keeping: keeping)
        var losses = 0
        while let (operations, left) = run.files.takeLoss() {
            try check(left, operations, run)
            losses += 1
        }
        #expect(losses > 100)
    }

    @Test func `Without a sync nothing is promised, and nothing is kept`() throws {
        let files = MemoryFileSystem()
        let database = try Database.open(path: "/memory", options: options(files))
        try put(database)
        let left = files.afterPowerLoss()
        #expect(try database.get(.log, [1]) == [2])
        try database.close()
        let again = try Database.open(path: "/memory", options: options(left))
        #expect(try again.get(.log, [1]) == nil)
        try again.close()
        let closed = try Database.open(path: "/memory", options: options(files))
        #expect(try closed.get(.log, [1]) == [2], "who closes in peace syncs")
        try closed.close()
    }

    @Test func `A database in memory opens in milliseconds`() throws {
        let files = MemoryFileSystem()
        try Database.open(path: "/memory", options: options(files)).close()
        let times = try (0..<100).map { _ in
            try ContinuousClock().measure { try Database.open(path: "/memory", options: options(files)).close() }
        }
        let median = times.sorted()[50]
        print("open and close on memory: \(median)")
        #expect(median < .milliseconds(50))
    }

    @Test func `A disk that says it is full refuses the write before the engine hears of it`() throws {
        let files = MemoryFileSystem()
        let database = try Database.open(path: "/memory", options: options(files))
        files.freeBytes = 1_000
        #expect(storageError { () throws(StorageError) in try put(database) }?.isNoSpace == true)
        files.freeBytes = 1 << 40
        #expect(database.checkSpace() == .ok)
        try put(database)
        try database.close()
    }

    /// RocksDB as Debian builds it asserts in whatever touches a log whose writer has failed, also when it is closed: so
    /// the database stays open for ever.
    @Test func `A write that the disk fails is reported, and is not there after the power loss`() throws {
        let files = MemoryFileSystem()
        let database = Unmanaged.passRetained(try Database.open(path: "/memory", options: options(files)))
        files.fail(.io, from: files.operations, count: 1)
        #expect(storageError { () throws(StorageError) in try put(database.takeUnretainedValue()) } != nil)
        let again = try Database.open(path: "/memory", options: options(files.afterPowerLoss()))
        #expect(try again.get(.log, [1]) == nil)
        try again.close()
    }

    @Test func `An open that meets a failing disk says so, wherever it fails`() throws {
        let sound = MemoryFileSystem()
        try Database.open(path: "/memory", options: options(sound)).close()
        for operation in 0..<12 as Range<UInt64> {
            let files = sound.afterPowerLoss()
            files.fail(.io, from: operation)
            let failure = storageError { () throws(StorageError) in
                _ = Unmanaged.passRetained(try Database.open(path: "/memory", options: options(files)))
            }
            #expect(failure != nil || files.operations <= operation, "operation \(operation)")
        }
    }
}
