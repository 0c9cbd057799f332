import GrapeModel
import Foundation
import GrapeStorage
import Testing

@Suite struct LifecycleTests {
    @Test func `a directory in use is refused by name and stays usable`() throws {
        let scratch = Scratch()
        let database = try Database.open(path: scratch.path, options: smallOptions())
        #expect(
            storageError { () throws(StorageError) in try Database.open(path: scratch.path) }
                == .inUse(path: scratch.path))
        try write(database, 1)
        try database.close()
        let again = try Database.open(path: scratch.path, options: smallOptions())
        #expect(try again.get(.state, key(1)) == [1])
    }

    /// Logs that were synced and then closed are named in the MANIFEST: whoever opens it without keeping track of them has
    /// to write there, which a reader can't.
    @Test func `a directory whose MANIFEST names logs opens for reading, and is left as it is`() throws {
        let scratch = Scratch()
        let database = try Database.open(path: scratch.path, options: smallOptions())
        for round in 0..<4 {
            for number in 0..<200 {
                var batch = try database.makeBatch()
                batch.put(.vectors, key: key(round * 200 + number), value: [UInt8](repeating: 7, count: 2_000))
                try database.write(batch, sync: true)
            }
            try database.flush(.vectors)
        }
        try database.close()
        let names = try FileManager.default.contentsOfDirectory(atPath: scratch.path).sorted()
        var options = smallOptions()
        options.readOnly = true
        for _ in 0..<2 {
            let reader = try Database.open(path: scratch.path, options: options)
            #expect(try reader.get(.vectors, key(799))?.count == 2_000)
            #expect(try reader.verifyChecksums().isEmpty)
            #expect(try reader.verifyRows(.vectors).rows == 800)
            try reader.close()
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path).sorted() == names)
    }

    @Test func `after close every call says closed`() throws {
        let scratch = Scratch()
        let database = try Database.open(path: scratch.path, options: smallOptions())
        try database.close()
        try database.close()
        let closed = StorageError.closed(path: scratch.path)
        #expect(storageError { () throws(StorageError) in try database.get(.state, [1]) } == closed)
        #expect(storageError { () throws(StorageError) in try database.syncLog() } == closed)
        #expect(storageError { () throws(StorageError) in try database.snapshot() } == closed)
        #expect(storageError { () throws(StorageError) in try database.statistics() } == closed)
        #expect(database.backgroundError == nil)
        _ = database.checkSpace()
    }

    @Test func `close waits for a cursor that another thread holds`() throws {
        let scratch = Scratch()
        let database = try Database.open(path: scratch.path, options: smallOptions())
        try write(database, 1)
        let isReading = DispatchSemaphore(value: 0)
        let isDone = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            do {
                var cursor = try database.cursor(.state)
                try cursor.seekToFirst()
                isReading.signal()
                for _ in 0..<50 {
                    usleep(2000)
                    #expect(cursor.value.count > 0)
                }
            } catch {
                Issue.record(error)
            }
            isDone.signal()
        }
        isReading.wait()
        try database.close()
        isDone.wait()
    }

    @Test func `reads and writes racing with close end in closed, never in a crash`() throws {
        for _ in 0..<10 {
            let scratch = Scratch()
            let database = try Database.open(path: scratch.path, options: smallOptions())
            let group = DispatchGroup()
            for worker in 0..<4 {
                group.enter()
                Thread.detachNewThread {
                    defer { group.leave() }
                    for round in 0..<100_000 {
                        do throws(StorageError) {
                            if worker == 0 { try self.write(database, round) }
                            if worker == 1 { _ = try database.get(.state, key(round)) }
                            if worker == 2 { _ = try database.multiGet(.state, [key(0), key(1)]) }
                            if worker == 3 { try database.syncLog() }
                        } catch {
                            #expect(error == .closed(path: scratch.path))
                            return
                        }
                    }
                }
            }
            usleep(20_000)
            try database.close()
            group.wait()
        }
    }

    @Test func `a newer format is refused, and nothing is changed`() throws {
        let scratch = Scratch()
        let database = try Database.open(path: scratch.path, options: smallOptions())
        var record: [UInt8] = []
        record.appendLittleEndian(UInt32(99))
        var batch = try database.makeBatch()
        batch.put(.state, key: [0xFF] + Array("format".utf8), value: record)
        try database.write(batch, sync: true)
        _ = consume batch
        try database.close()
        let newer = StorageError.newerFormat(path: scratch.path, found: 99, supported: Database.formatVersion)
        for _ in 0..<2 {
            #expect(storageError { () throws(StorageError) in try Database.open(path: scratch.path) } == newer)
        }
    }

    @Test func `a creation that was cut short is begun again`() throws {
        let scratch = Scratch()
        try FileManager.default.createDirectory(atPath: scratch.path, withIntermediateDirectories: true)
        try scratch.write([1, 2, 3], to: "MANIFEST-000001")
        let database = try Database.open(path: scratch.path, options: smallOptions())
        try write(database, 1)
        #expect(try database.get(.state, key(1)) == [1])
    }

    @Test func `a directory that is none of ours is refused`() throws {
        let scratch = Scratch()
        var options = smallOptions()
        options.createIfMissing = false
        try FileManager.default.createDirectory(atPath: scratch.path, withIntermediateDirectories: true)
        let error = storageError { () throws(StorageError) in try Database.open(path: scratch.path, options: options) }
        guard case .notADatabase = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(scratch.names.isEmpty)
    }

    @Test func `read-only sees the log's rows, takes no lock and changes no file`() throws {
        let scratch = Scratch()
        let database = try Database.open(path: scratch.path, options: smallOptions())
        try write(database, 5)
        try database.close()
        let before = scratch.names
        var options = smallOptions()
        options.readOnly = true
        let reader = try Database.open(path: scratch.path, options: options)
        let other = try Database.open(path: scratch.path, options: options)
        #expect(try reader.get(.state, key(5)) == [5])
        #expect(try other.verifyRows(.state).damaged.isEmpty)
        #expect(storageError { () throws(StorageError) in try self.write(reader, 6) } != nil)
        try reader.close()
        try other.close()
        #expect(scratch.names == before)
    }

    @Test func `error strings of RocksDB become typed errors`() {
        let site = StorageError.Site(path: "/d")
        let cases: [(String, (StorageError) -> Bool)] = [
            ("IO error: While lock file: /d/LOCK: Resource temporarily unavailable", { $0 == .inUse(path: "/d") }),
            ("IO error: No space left on device: While appending to file: /d/000004.log: x", { $0.isNoSpace }),
            (
                "Corruption: block checksum mismatch: stored = 1 in /d/000012.sst offset 0 size 9",
                { error in
                    if case .corruption(_, "000012.sst", _) = error { true } else { false }
                }
            ),
            (
                "IO error: No such file or directory: While open a file: /d/MANIFEST-000004: x",
                { error in
                    if case .corruption(_, "MANIFEST-000004", _) = error { true } else { false }
                }
            ),
            (
                "IO error: While fsync: /d/000003.log: Input/output error",
                { error in
                    if case .io = error { true } else { false }
                }
            ),
            ("Invalid argument: no", { if case .invalid = $0 { true } else { false } }),
        ]
        for (text, matches) in cases { #expect(matches(StorageError.classify(text, at: site)), "\(text)") }
    }

    private func write(_ database: Database, _ number: Int) throws(StorageError) {
        var batch = try database.makeBatch()
        batch.put(.state, key: key(number), value: [UInt8(truncatingIfNeeded: number)])
        try database.write(batch)
    }
}
