import Foundation
import GrapeStorage
import GrapeTestKit
import Synchronization
import Testing

/// A real full disk: a small tmpfs, where this process may mount one.
private final class SmallDisk {
    let path: String

    /// Nil where mounting is not allowed.
    init?(mebibytes: Int) {
        path = Scratch("disk").path
        guard mkdir(path, 0o755) == 0 else { return nil }
        guard mount("tmpfs", path, "tmpfs", 0, "size=\(mebibytes)m") == 0 else {
            rmdir(path)
            return nil
        }
    }

    deinit {
        umount2(path, Int32(MNT_DETACH))
        rmdir(path)
    }

    /// Writes a file of that size, or as much of it as there is room for.
    func fill(_ name: String, mebibytes: Int) {
        let file = open(path + "/" + name, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        let block = [UInt8](repeating: 1, count: 4 << 10)
        for _ in 0..<(mebibytes * 256) where write(file, block, block.count) > 0 {}
        close(file)
    }

    func remove(_ name: String) { unlink(path + "/" + name) }
}

/// What was acknowledged and what was refused, by number.
private struct Ledger {
    var acknowledged: [Int] = []
    var refused: [Int] = []
    var next = 0

    /// One batch of ten rows, made durable in one of the two ways; returns the error.
    mutating func turn(_ database: Database, sync: Bool, _ generator: inout SplitMix64) throws -> StorageError? {
        let numbers = next..<(next + 10)
        next += 10
        do throws(StorageError) {
            var batch = try database.makeBatch()
            for number in numbers { batch.put(.vectors, key: key(number), value: generator.bytes(3000)) }
            try database.write(batch, sync: sync)
            if !sync { try database.syncLog() }
            acknowledged += numbers
            return nil
        } catch {
            refused += numbers
            return error
        }
    }

    func check(_ database: Database, _ moment: String) throws {
        let lost = try acknowledged.filter { try database.get(.vectors, key($0))?.count != 3000 }
        #expect(lost.isEmpty, "\(moment): acknowledged and gone: \(lost.prefix(5))")
        let present = try refused.filter { try database.get(.vectors, key($0)) != nil }
        #expect(present.isEmpty, "\(moment): refused and there: \(present.prefix(5))")
    }
}

@Suite(.serialized) struct FullDiskTests {
    /// Another process fills the disk while rows are in memtables (large ones) or mostly in table files (small ones).
    @Test(arguments: [(64, true), (64, false), (1, true), (1, false)])
    func `a full disk refuses writes, serves reads, and recovers by itself`(writeBufferMiB: Int, sync: Bool) throws {
        guard let disk = SmallDisk(mebibytes: 96) else {
            print("skipped: this process may not mount a tmpfs")
            return
        }
        var options = smallOptions()
        options.writeBufferBytes = writeBufferMiB << 20
        options.reserveBytes = 2 << 20
        let path = disk.path + "/store"
        let database = try Database.open(path: path, options: options)
        database.startSpaceWatch(everyMilliseconds: 20)
        var generator = SplitMix64(seed: 21)
        var ledger = Ledger()
        let failures = try (0..<200).compactMap { _ in try ledger.turn(database, sync: sync, &generator) }
        #expect(failures.isEmpty)
        // Twice: the first time the reserve is given up, which the other process takes too.
        for part in 0..<3 {
            disk.fill("filler\(part)", mebibytes: 96)
            usleep(100_000)
        }
        for _ in 0..<20 { #expect(try ledger.turn(database, sync: sync, &generator)?.isNoSpace == true) }
        #expect(database.spaceState == .full)
        try ledger.check(database, "while full")
        let crashImage = Scratch("image")
        try FileManager.default.copyItem(atPath: path, toPath: crashImage.path)
        let image = try Database.open(path: crashImage.path, options: options)
        try ledger.check(image, "crashed while full")

        for part in 0..<3 { disk.remove("filler\(part)") }
        for _ in 0..<3_000 where database.spaceState == .full { usleep(20_000) }
        #expect(database.spaceState < .full && database.backgroundError == nil, "writes did not come back")
        #expect(try writesHold(database, &ledger, sync: sync, &generator))
        try ledger.check(database, "after recovery")
        try database.close()
        let again = try Database.open(path: path, options: options)
        try ledger.check(again, "after a reopen")
    }

    /// Fifty turns in a row succeed, within seconds: right after a recovery a compaction may fill the disk once more.
    private func writesHold(
        _ database: Database, _ ledger: inout Ledger, sync: Bool, _ generator: inout SplitMix64
    ) throws -> Bool {
        var inARow = 0
        for _ in 0..<400 where inARow < 50 {
            if try ledger.turn(database, sync: sync, &generator) == nil {
                inARow += 1
            } else {
                inARow = 0
                usleep(50_000)
                database.checkSpace()
            }
        }
        return inARow == 50
    }

    @Test func `writes that heed the warning never fail, and deletes bring the space back`() throws {
        guard let disk = SmallDisk(mebibytes: 96) else {
            print("skipped: this process may not mount a tmpfs")
            return
        }
        var options = smallOptions()
        options.writeBufferBytes = 1 << 20
        options.reserveBytes = 3 << 20
        options.almostFullBytes = 16 << 20
        let database = try Database.open(path: disk.path + "/store", options: options)
        #expect(FileManager.default.fileExists(atPath: disk.path + "/store/reserve"))
        var generator = SplitMix64(seed: 22)
        var ledger = Ledger()
        for _ in 0..<20_000 where database.checkSpace() == .ok {
            #expect(try ledger.turn(database, sync: true, &generator) == nil)
        }
        #expect(database.spaceState == .almostFull)
        try database.dropRange(.vectors, from: key(0), to: key(ledger.next), sync: true)
        for _ in 0..<3_000 where database.checkSpace() != .ok { usleep(20_000) }
        #expect(database.spaceState == .ok)
        ledger.acknowledged = []
        let failures = try (0..<100).compactMap { _ in try ledger.turn(database, sync: true, &generator) }
        #expect(failures.isEmpty)
        try ledger.check(database, "after the deletes")
    }

    @Test func `opening on a full disk says so instead of waiting`() throws {
        guard let disk = SmallDisk(mebibytes: 48) else {
            print("skipped: this process may not mount a tmpfs")
            return
        }
        let path = disk.path + "/store"
        var database = try Database.open(path: path, options: smallOptions())
        var generator = SplitMix64(seed: 25)
        var ledger = Ledger()
        #expect(try ledger.turn(database, sync: true, &generator) == nil)
        try database.close()
        disk.fill("filler", mebibytes: 48)
        let error = storageError { () throws(StorageError) in try Database.open(path: path, options: smallOptions()) }
        #expect(error?.isNoSpace == true)
        disk.remove("filler")
        database = try Database.open(path: path, options: smallOptions())
        try ledger.check(database, "after a refused open")
    }

    /// Past every warning; should a write wait for space in spite of the checks, the rescue lets it go on.
    @Test func `writes past every warning are refused and do no harm`() throws {
        guard let disk = SmallDisk(mebibytes: 64) else {
            print("skipped: this process may not mount a tmpfs")
            return
        }
        disk.fill("filler", mebibytes: 24)
        var options = smallOptions()
        options.writeBufferBytes = 1 << 20
        let database = try Database.open(path: disk.path + "/store", options: options)
        database.startSpaceWatch(everyMilliseconds: 20)
        let isOver = Atomic<Bool>(false)
        let path = disk.path
        Thread.detachNewThread {
            for _ in 0..<150 where !isOver.load(ordering: .relaxed) { usleep(20_000) }
            unlink(path + "/filler")
        }
        var generator = SplitMix64(seed: 23)
        var ledger = Ledger()
        for _ in 0..<20_000 where ledger.refused.count < 300 {
            if let error = try ledger.turn(database, sync: true, &generator) { #expect(error.isNoSpace, "\(error)") }
        }
        #expect(!ledger.refused.isEmpty)
        isOver.store(true, ordering: .relaxed)
        for _ in 0..<500 where database.spaceState == .full { usleep(20_000) }
        #expect(try writesHold(database, &ledger, sync: true, &generator))
        try ledger.check(database, "after the rescue")
        try database.close()
    }

    /// The space goes between the check before a write and the write itself: the log waits instead of failing.
    @Test func `space that another process takes and gives back costs no write and no restart`() throws {
        guard let disk = SmallDisk(mebibytes: 64) else {
            print("skipped: this process may not mount a tmpfs")
            return
        }
        var options = smallOptions()
        options.writeBufferBytes = 1 << 20
        let database = try Database.open(path: disk.path + "/store", options: options)
        database.startSpaceWatch(everyMilliseconds: 20)
        let isDone = Atomic<Bool>(false)
        let group = DispatchGroup()
        group.enter()
        let filler = disk.path + "/filler"
        Thread.detachNewThread {
            while !isDone.load(ordering: .relaxed) {
                let file = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
                let block = [UInt8](repeating: 1, count: 64 << 10)
                while write(file, block, block.count) > 0 {}
                usleep(30_000)
                close(file)
                unlink(filler)
                usleep(30_000)
            }
            group.leave()
        }
        var generator = SplitMix64(seed: 24)
        var ledger = Ledger()
        let start = ContinuousClock.now
        while start.duration(to: .now) < .seconds(3) {
            if let error = try ledger.turn(database, sync: ledger.next % 20 == 0, &generator) {
                #expect(error.isNoSpace, "\(error)")
                usleep(5_000)
            }
            // Starts anew now and then, so that there is always something to write to. Both may meet the full disk.
            let isDeleted =
                ledger.next >= 6000 && (try? database.dropRange(.vectors, from: key(0), to: key(9999))) != nil
            if isDeleted { ledger = Ledger() }
        }
        isDone.store(true, ordering: .relaxed)
        group.wait()
        for _ in 0..<500 where database.spaceState == .full { usleep(20_000) }
        #expect(try writesHold(database, &ledger, sync: true, &generator))
        try ledger.check(database, "after it all")
        try database.close()
        let again = try Database.open(path: disk.path + "/store", options: options)
        try ledger.check(again, "after a reopen")
    }

    @Test func `the state falls at its thresholds and rises with a margin`() {
        func next(_ state: SpaceState, _ free: UInt64, waiting: Bool = false, unflushed: UInt64 = 0) -> SpaceState {
            DiskSpace.next(
                from: state, free: free, unflushed: unflushed, isWaiting: waiting, almostFullBytes: 100,
                fullBytes: 10)
        }
        #expect(next(.ok, 150, unflushed: 50) == .ok)
        #expect(next(.ok, 149, unflushed: 50) == .almostFull)
        #expect(next(.ok, 100) == .ok)
        #expect(next(.ok, 99) == .almostFull)
        #expect(next(.almostFull, 124) == .almostFull)
        #expect(next(.almostFull, 125) == .ok)
        #expect(next(.almostFull, 9) == .full)
        #expect(next(.full, 10) == .almostFull)
        #expect(next(.full, 124) == .almostFull)
        #expect(next(.full, 125) == .ok)
        #expect(next(.ok, 1000, waiting: true) == .full)
    }
}
