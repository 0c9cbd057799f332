import CRocksDB
import GrapeStorage
import GrapeTestKit
import Testing

/// What each kind of damage to a closed store leads to: an open that names a file, reads that report corruption, or
/// no harm. A wrong value or a silently missing row is a failure.
@Suite struct DamageTests {
    private enum Verdict: Equatable {
        case refused(file: String?)
        case reported(rows: Int)
        case harmless
    }

    private static let rowCount = 600

    /// Rows 0..<400 in table files, 400..<600 in the log only.
    private func makeStore() throws -> Scratch {
        let scratch = Scratch("damage")
        var generator = SplitMix64(seed: 11)
        let database = try Database.open(path: scratch.path, options: smallOptions())
        for start in stride(from: 0, to: Self.rowCount, by: 50) {
            var batch = try database.makeBatch()
            for number in start..<(start + 50) {
                batch.put(.vectors, key: key(number), value: Self.value(number, &generator))
                batch.put(.payloads, key: key(number), value: Self.value(number, &generator))
            }
            try database.write(batch, sync: true)
            if start == 350 {
                try database.flush()
                try database.compact(.vectors)
            }
        }
        try database.close()
        return scratch
    }

    /// Begins with the number, so that a value under another key shows.
    private static func value(_ number: Int, _ generator: inout SplitMix64) -> [UInt8] {
        key(number) + generator.bytes(300)
    }

    /// Opens the store and reads every row in both ways.
    private func examine(_ scratch: Scratch) throws -> Verdict {
        let database: Database
        do throws(StorageError) {
            database = try Database.open(path: scratch.path, options: smallOptions())
        } catch {
            switch error {
            case .corruption(_, let file, _): return .refused(file: file)
            case .notADatabase: return .refused(file: nil)
            default: throw error
            }
        }
        var reported = 0
        var missing = 0
        for family in [ColumnFamily.vectors, .payloads] {
            let keys = (0..<Self.rowCount).map { key($0) }
            for (number, result) in try database.multiGet(family, keys).enumerated() {
                switch result {
                case .value(let value):
                    #expect(value.count == 308 && Array(value.prefix(8)) == key(number), "wrong value for \(number)")
                case .missing: missing += 1
                case .corrupt(let error):
                    #expect(error.isDamage && error.site.family == family && error.site.keyPrefix != nil)
                    reported += 1
                }
            }
            #expect(try !database.verifyRows(family).damaged.isEmpty || reported == 0 || family == .payloads)
        }
        #expect(missing == 0, "rows are silently gone")
        if reported > 0 {
            let files = try database.verifyChecksums()
            #expect(!files.isEmpty && files.allSatisfy { $0.file.hasSuffix(".sst") })
        }
        try database.close()
        return reported == 0 ? .harmless : .reported(rows: reported)
    }

    @Test func `flipped bytes anywhere are found or harmless, never a wrong value`() throws {
        let store = try makeStore()
        var generator = SplitMix64(seed: 12)
        var found = 0
        var rounds = 0
        let files = store.names.filter { $0.hasSuffix(".sst") || $0.hasSuffix(".log") || $0.hasPrefix("MANIFEST") }
        for file in files + ["CURRENT"] {
            let original = try store.bytes(file)
            // Preallocated zeros behind a log's last record hold nothing.
            let used = (original.lastIndex { $0 != 0 } ?? 0) + 1
            for _ in 0..<12 {
                let copy = try store.copy("flip")
                var bytes = original
                bytes[Int.random(in: 0..<used, using: &generator)] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
                try copy.write(bytes, to: file)
                rounds += 1
                switch try examine(copy) {
                case .refused(let name):
                    found += 1
                    if let name, file.hasSuffix(".log") || file.hasSuffix(".sst") { #expect(name == file) }
                case .reported:
                    found += 1
                    #expect(file.hasSuffix(".sst"))
                case .harmless: #expect(!file.hasSuffix(".log"), "a flipped bit in \(file) went unseen")
                }
            }
        }
        #expect(rounds >= 48 && found * 10 >= rounds * 7, "\(found) of \(rounds) found")
    }

    /// RocksDB takes such a record for a torn tail, opens without what follows, and deletes the tables that it adds.
    @Test func `a MANIFEST record that runs past the file, or is zeros, is damage, not a torn tail`() throws {
        let store = try makeStore()
        let manifest = try #require(store.names.first { $0.hasPrefix("MANIFEST") })
        let original = try store.bytes(manifest)
        var starts = [0]
        let headerBytes = 7
        _ = try LogRecords.read(manifest, path: store.path) { _, payload in
            starts.append(starts[starts.count - 1] + headerBytes + payload.count)
            return true
        }
        #expect(starts.removeLast() == original.count)
        #expect(starts.count > 3)
        for start in starts {
            let copy = try store.copy("long")
            var bytes = original
            bytes[start + 5] ^= 0x40
            try copy.write(bytes, to: manifest)
            #expect(try examine(copy) == .refused(file: manifest))
            // The same for a tail of zeros, as a page that was never written leaves it.
            try copy.write(original[..<start] + [UInt8](repeating: 0, count: original.count - start), to: manifest)
            #expect(try examine(copy) == .refused(file: manifest))
        }
    }

    @Test func `damage at the end of a table, where RocksDB looks before it checks, is named`() throws {
        let store = try makeStore()
        let table = try #require(store.names.first { $0.hasSuffix(".sst") })
        let original = try store.bytes(table)
        // A wrong one ends a process with RocksDB's assertions.
        let indexType = Array("rocksdb.block.based.table.index.type".utf8)
        let value = try #require(original.indices.last { original[$0...].starts(with: indexType) }) + indexType.count
        let footer = (original.count - 53)..<original.count
        var places = Array(stride(from: original.count - 1_100, to: footer.lowerBound, by: 11))
        places += value..<(value + 4)
        places += footer
        var refused = 0
        for place in places {
            let copy = try store.copy("tail")
            var bytes = original
            bytes[place] ^= 0x40
            try copy.write(bytes, to: table)
            if case .refused(let file) = try examine(copy) {
                #expect(file == table, "byte \(place) of \(original.count)")
                refused += 1
            }
        }
        #expect(refused > 50)
    }

    @Test func `a truncated file is named`() throws {
        let store = try makeStore()
        var generator = SplitMix64(seed: 13)
        for file in store.names where file.hasSuffix(".sst") || file.hasSuffix(".log") || file.hasPrefix("MANIFEST") {
            let original = try store.bytes(file)
            let used = (original.lastIndex { $0 != 0 } ?? 0) + 1
            for _ in 0..<6 {
                let copy = try store.copy("cut")
                try copy.write(Array(original.prefix(Int.random(in: 0..<used, using: &generator))), to: file)
                let verdict = try examine(copy)
                if file.hasPrefix("MANIFEST") {
                    guard case .refused = verdict else {
                        Issue.record("\(file): \(verdict)")
                        continue
                    }
                } else {
                    #expect(verdict == .refused(file: file))
                }
            }
        }
    }

    @Test func `a missing file is named`() throws {
        let store = try makeStore()
        for file in store.names
        where file.hasSuffix(".sst") || file.hasSuffix(".log") || file.hasPrefix("MANIFEST") || file == "CURRENT" {
            let copy = try store.copy("gone")
            try copy.remove(file)
            let verdict = try examine(copy)
            if file.hasSuffix(".log") {
                guard case .refused = verdict else {
                    Issue.record("\(file): \(verdict)")
                    continue
                }
            } else {
                #expect(verdict == .refused(file: file))
            }
            // Refusing changes nothing: the same is said again.
            #expect(try examine(copy) == verdict)
        }
    }

    @Test func `a log cut beyond what was synced is a torn tail, before it is damage`() throws {
        let scratch = Scratch("torn")
        let database = try Database.open(path: scratch.path, options: smallOptions())
        try write(database, 0..<100)
        try database.syncLog()
        let log = try #require(scratch.names(ending: ".log").last)
        let synced = (try scratch.bytes(log).lastIndex { $0 != 0 } ?? 0) + 1
        try write(database, 100..<200)
        let image = try scratch.copy("image")
        try database.close()
        let bytes = try image.bytes(log)
        let used = (bytes.lastIndex { $0 != 0 } ?? 0) + 1
        var generator = SplitMix64(seed: 14)
        for _ in 0..<20 {
            let cut = Int.random(in: (synced + 1)..<used, using: &generator)
            let torn = try image.copy("torn")
            // Half of them as the file system may leave it: zeros up to the old length.
            let tail = Bool.random(using: &generator) ? [UInt8](repeating: 0, count: used - cut) : []
            try torn.write(Array(bytes.prefix(cut)) + tail, to: log)
            let opened = try Database.open(path: torn.path, options: smallOptions())
            for number in 0..<100 { #expect(try opened.get(.state, key(number)) == key(number)) }
            var isGone = false
            for number in 100..<200 {
                let isThere = try opened.get(.state, key(number)) != nil
                #expect(!(isGone && isThere), "row \(number) is there without those before it")
                if !isThere { isGone = true }
            }
            try opened.close()
            let before = try image.copy("before")
            try before.write(Array(bytes.prefix(Int.random(in: 0..<synced, using: &generator))), to: log)
            let error = storageError { () throws(StorageError) in try Database.open(path: before.path) }
            guard case .corruption(_, log, _) = error else {
                Issue.record("cut before the sync: \(String(describing: error))")
                continue
            }
        }
    }

    @Test func `a row altered behind a sound block is caught by its own checksum`() throws {
        let scratch = Scratch("altered")
        let database = try Database.open(path: scratch.path, options: smallOptions())
        try write(database, 0..<10)
        try database.flush()
        let stored = try #require(try RawStore.get(scratch, database, .state, key(3)))
        try RawStore.alter(scratch, .state) { put in
            var flipped = stored
            flipped[2] ^= 4
            put(key(3), flipped)
            put(key(4), stored)  // a sound row under another key
            put(key(5), [1, 2])  // shorter than a checksum
        }
        let again = try Database.open(path: scratch.path, options: smallOptions())
        for number in 3...5 {
            let error = storageError { () throws(StorageError) in try again.get(.state, key(number)) }
            guard case .corruption(let site, _, _) = error else {
                Issue.record("row \(number): \(String(describing: error))")
                continue
            }
            #expect(site.family == .state && site.keyPrefix == "000000000000000\(number)")
        }
        #expect(try again.get(.state, key(6)) == key(6))
        let check = try again.verifyRows(.state)
        #expect(check.damaged.count == 3 && check.rows == 11)
        let results = try again.multiGet(.state, [key(3), key(6)])
        #expect(results[1] == .value(key(6)))
        guard case .corrupt = results[0] else {
            Issue.record("\(results[0])")
            return
        }
        #expect(try again.verifyChecksums().isEmpty)
    }

    private func write(_ database: Database, _ numbers: Range<Int>) throws {
        for number in numbers {
            var batch = try database.makeBatch()
            batch.put(.state, key: key(number), value: key(number))
            try database.write(batch)
        }
    }
}
