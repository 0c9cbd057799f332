import GrapeStorage
import GrapeTestKit
import Testing

@Suite struct DatabaseTests {
    @Test func `what is written is read in its family, and again after a reopen`() throws {
        let scratch = Scratch()
        var database = try Database.open(path: scratch.path, options: smallOptions())
        var batch = try database.makeBatch()
        for family in ColumnFamily.allCases {
            batch.put(family, key: key(1), value: Array(family.name.utf8))
        }
        let vector: [Float] = [1, 2, 3]
        batch.put(.vectors, key: key(2).span.bytes, header: ([9, 9] as [UInt8]).span.bytes, body: vector.span.bytes)
        batch.put(.vectors, key: key(3), value: [])
        let count = batch.count
        #expect(count == 8)
        try database.write(batch, sync: true)
        batch.clear()
        let isEmpty = batch.isEmpty
        #expect(isEmpty)
        _ = consume batch
        for _ in 0..<2 {
            for family in ColumnFamily.allCases {
                #expect(try database.get(family, key(1)) == Array(family.name.utf8))
            }
            let value = try #require(try database.get(.vectors, key(2)))
            #expect(value.span.copyFloats(at: 2, count: 3) == vector)
            #expect(try database.get(.vectors, key(3)) == [])
            #expect(try database.get(.vectors, key(4)) == nil)
            #expect(try database.get(.payloads, key(2)) == nil)
            try database.close()
            database = try Database.open(path: scratch.path, options: smallOptions())
        }
    }

    @Test func `a pinned value lends its bytes without a copy`() throws {
        let scratch = Scratch()
        let database = try Database.open(path: scratch.path, options: smallOptions())
        try put(database, .payloads, [1: [1, 2, 3]])
        let value = try database.read(.payloads, key(1))
        if let value {
            #expect(value.bytes.count == 3)
            #expect(value.bytes[2] == 3)
        } else {
            Issue.record("no value")
        }
    }

    @Test func `many keys are read in the order asked for, missing ones included`() throws {
        let scratch = Scratch()
        let database = try Database.open(path: scratch.path, options: smallOptions())
        try put(database, .vectors, Dictionary(uniqueKeysWithValues: (0..<500).map { ($0, [UInt8($0 % 251)]) }))
        try database.flush(.vectors)
        let numbers = [499, 3, 700, 3, 0]
        let results = try database.multiGet(.vectors, numbers.map { key($0) })
        #expect(results == [.value([248]), .value([3]), .missing, .value([3]), .value([0])])
        #expect(try database.multiGet(.vectors, []).isEmpty)
    }

    @Test func `a cursor agrees with a sorted dictionary under random changes`() throws {
        let scratch = Scratch()
        let database = try Database.open(path: scratch.path, options: smallOptions())
        var generator = SplitMix64(seed: 7)
        var model: [Int: [UInt8]] = [:]
        for round in 0..<40 {
            var batch = try database.makeBatch()
            for _ in 0..<50 {
                let number = Int.random(in: 0..<1000, using: &generator)
                switch Int.random(in: 0..<10, using: &generator) {
                case 0:
                    let end = number + Int.random(in: 1..<60, using: &generator)
                    batch.deleteRange(.log, from: key(number), to: key(end))
                    for gone in number..<end { model[gone] = nil }
                case 1...2:
                    batch.delete(.log, key: key(number))
                    model[number] = nil
                default:
                    let value = generator.bytes(Int.random(in: 0..<600, using: &generator))
                    batch.put(.log, key: key(number), value: value)
                    model[number] = value
                }
            }
            try database.write(batch)
            if round % 9 == 4 { try database.flush(.log) }
            if round % 19 == 12 { try database.compact(.log) }
            try compare(database, model, &generator)
        }
    }

    private func compare(_ database: Database, _ model: [Int: [UInt8]], _ generator: inout SplitMix64) throws {
        let from = Int.random(in: 0..<1000, using: &generator)
        let to = from + Int.random(in: 1..<500, using: &generator)
        let expected = model.keys.filter { $0 >= from && $0 < to }.sorted()
        var cursor = try database.cursor(.log, from: key(from), to: key(to))
        var found: [Int] = []
        try cursor.seekToFirst()
        while cursor.isValid {
            let number = Int(cursor.key.uint64BigEndian(at: 0))
            found.append(number)
            #expect(cursor.value.copyBytes() == model[number])
            try cursor.next()
        }
        #expect(found == expected)
        found = []
        try cursor.seekToLast()
        while cursor.isValid {
            found.append(Int(cursor.key.uint64BigEndian(at: 0)))
            try cursor.previous()
        }
        #expect(found == expected.reversed())
        let middle = (from + to) / 2
        try cursor.seek(key(middle))
        #expect((cursor.isValid ? Int(cursor.key.uint64BigEndian(at: 0)) : nil) == expected.first { $0 >= middle })
        try cursor.seekForPrev(key(middle))
        #expect((cursor.isValid ? Int(cursor.key.uint64BigEndian(at: 0)) : nil) == expected.last { $0 <= middle })
    }

    @Test func `a snapshot does not see what comes after it`() throws {
        let scratch = Scratch()
        let database = try Database.open(path: scratch.path, options: smallOptions())
        try put(database, .catalog, [1: [1], 2: [2]])
        let snapshot = try database.snapshot()
        try put(database, .catalog, [1: [9], 3: [3]])
        try database.deleteRange(.catalog, from: key(2), to: key(3))
        #expect(try database.get(.catalog, key(1), snapshot: snapshot) == [1])
        #expect(try database.get(.catalog, key(2), snapshot: snapshot) == [2])
        #expect(try database.multiGet(.catalog, [key(3)], snapshot: snapshot) == [.missing])
        #expect(try database.multiGet(.catalog, [key(1), key(2), key(3)]) == [.value([9]), .missing, .value([3])])
        var cursor = try database.cursor(.catalog, snapshot: snapshot)
        try cursor.seekToLast()
        #expect(cursor.key.uint64BigEndian(at: 0) == 2)
    }

    @Test func `sizes, statistics and checks answer`() throws {
        let scratch = Scratch()
        let database = try Database.open(path: scratch.path, options: smallOptions())
        var generator = SplitMix64(seed: 3)
        try put(database, .vectors, Dictionary(uniqueKeysWithValues: (0..<400).map { ($0, generator.bytes(1500)) }))
        #expect(try database.approximateSize(.vectors, from: key(0), to: key(400)) > 100_000)
        try database.flush()
        for number in 0..<400 { #expect(try database.get(.vectors, key(number))?.count == 1500) }
        let figures = try database.statistics()
        #expect((figures.familyBytes[.vectors] ?? 0) > 500_000)
        #expect(figures.cacheHits + figures.cacheMisses > 0)
        #expect(figures.cacheHitRatio > 0 && figures.cacheHitRatio <= 1)
        #expect(figures.walSyncs > 0 && !figures.isWriteStopped)
        #expect(try database.verifyChecksums().isEmpty)
        let check = try database.verifyRows(.vectors)
        #expect(check.rows == 400 && check.damaged.isEmpty)
        #expect(try database.freeSpaceBytes > 0)
        #expect(database.backgroundError == nil)
    }

    func put(_ database: Database, _ family: ColumnFamily, _ rows: [Int: [UInt8]]) throws {
        var batch = try database.makeBatch()
        for number in rows.keys.sorted() { batch.put(family, key: key(number), value: rows[number] ?? []) }
        try database.write(batch)
    }
}
