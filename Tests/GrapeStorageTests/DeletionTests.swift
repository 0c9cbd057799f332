import Foundation
import GrapeStorage
import GrapeTestKit
import Testing

/// Long files are freed a part at a time: whoever has a link to one keeps it whole, and a deletion that was cut short harms
/// nothing.
@Suite struct DeletionTests {
    private static let rowBytes = 1 << 20
    private static let rowCount = 10

    /// Rows of a megabyte, whose table is longer than what is freed at once.
    private func fill(_ database: Database, _ numbers: Range<Int>) throws {
        var generator = SplitMix64(seed: 21)
        let value = generator.bytes(Self.rowBytes)
        for number in numbers {
            var batch = try database.makeBatch()
            batch.put(.vectors, key: key(number), value: value)
            try database.write(batch, sync: true)
        }
    }

    private func options() -> StorageOptions {
        var options = smallOptions()
        options.writeBufferBytes = 32 << 20
        options.targetFileBytes = 64 << 20
        return options
    }

    @Test func `a table that has another link is deleted here and stays whole there`() throws {
        let scratch = Scratch("deletion")
        let database = try Database.open(path: scratch.path, options: options())
        try fill(database, 0..<Self.rowCount)
        try database.flush()
        let table = try #require(try scratch.names(ending: ".sst").max { try size($0, scratch) < size($1, scratch) })
        let before = try scratch.bytes(table)
        try #require(before.count > 9 << 20)
        let kept = Scratch("kept")
        try FileManager.default.createDirectory(atPath: kept.path, withIntermediateDirectories: true)
        try FileManager.default.linkItem(atPath: scratch.file(table), toPath: kept.file(table))
        try database.dropRange(.vectors, from: key(0), to: key(Self.rowCount), sync: true)
        try database.compact(.vectors)
        try database.close()
        #expect(!scratch.names.contains(table))
        #expect(try kept.bytes(table) == before)
    }

    @Test func `a log whose deletion was cut short harms nothing`() throws {
        let scratch = Scratch("deletion")
        let database = try Database.open(path: scratch.path, options: options())
        try fill(database, 0..<Self.rowCount)
        let log = try #require(scratch.names(ending: ".log").last)
        let whole = try scratch.bytes(log)
        try database.flush()
        try fill(database, Self.rowCount..<Self.rowCount + 2)
        try database.close()
        try #require(!scratch.names.contains(log))
        for bytes in [4 << 20, (6 << 20) + 7, 0] {
            let copy = try scratch.copy("cut")
            try copy.write(Array(whole.prefix(bytes)), to: log)
            let opened = try Database.open(path: copy.path, options: options())
            for number in 0..<Self.rowCount + 2 {
                #expect(try opened.get(.vectors, key(number))?.count == Self.rowBytes)
            }
            try opened.close()
        }
    }

    private func size(_ name: String, _ scratch: Scratch) throws -> Int { try scratch.bytes(name).count }
}
