import Foundation
import GrapeStorage
import GrapeTestKit
import Testing

/// Kills a writing process at random moments, again and again over one directory.
@Suite(.serialized) struct CrashTests {
    private static let rounds = 25
    private static let roundsMax = 500
    private static let acknowledgedMin = 10

    @Test func `kill -9 at any moment loses nothing acknowledged and tears no batch`() throws {
        let crasher = try #require(Self.crasher(), "the executable StorageCrasher was not built")
        let scratch = Scratch("crash")
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SplitMix64(seed: seed)
        var highest = -1
        var acknowledgedInAll = 0
        for round in 0..<Self.roundsMax {
            // A busy machine may let few writers come to anything.
            if round >= Self.rounds, acknowledgedInAll > Self.acknowledgedMin { break }
            let milliseconds = Int.random(in: 5...250, using: &generator)
            let acknowledged = try kill(crasher, scratch.path, first: highest + 1, round, after: milliseconds)
            acknowledgedInAll += acknowledged.count
            #expect(acknowledged == Array((highest + 1)..<(highest + 1 + acknowledged.count)), "seed \(seed)")
            let last = max(highest, acknowledged.last ?? -1)
            highest = try check(scratch, acknowledged: last, seed: seed)
        }
        #expect(acknowledgedInAll > Self.acknowledgedMin, "so few turns in all: the test shows nothing")
    }

    /// Every acknowledged turn is there, whole; at most a few more. Returns the highest turn found.
    private func check(_ scratch: Scratch, acknowledged: Int, seed: UInt64) throws -> Int {
        let database = try Database.open(path: scratch.path, options: smallOptions())
        let record = try database.get(.state, Array("highest".utf8))
        let highest = record.map { Int($0.span.uint64BigEndian(at: 0)) } ?? -1
        #expect(highest >= acknowledged, "turn \(acknowledged) was acknowledged, \(highest) is the last (seed \(seed))")
        #expect(highest <= acknowledged + 1, "one turn at most is under way (seed \(seed))")
        for number in max(0, highest - 600)...max(0, highest) where highest >= 0 {
            let expected = number > highest - 500 ? rowBytes(number) : nil
            #expect(try database.get(.vectors, key(number)) == expected, "row \(number), seed \(seed)")
            #expect(try database.get(.log, key(number)) == rowBytes(number), "entry \(number), seed \(seed)")
        }
        #expect(try database.get(.vectors, key(highest + 1)) == nil)
        #expect(try database.verifyRows(.vectors).damaged.isEmpty)
        try database.close()
        return highest
    }

    /// Runs the writer, kills it, and returns the turns that it acknowledged.
    private func kill(
        _ crasher: String, _ path: String, first: Int, _ seed: Int, after milliseconds: Int
    ) throws -> [Int] {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: crasher)
        process.arguments = [path, String(first), String(seed)]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        usleep(UInt32(milliseconds) * 1000)
        Foundation.kill(process.processIdentifier, SIGKILL)
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(process.terminationReason == .uncaughtSignal, "it ended by itself: \(process.terminationStatus)")
        let lines = String(decoding: data, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        return lines.dropLast().compactMap { Int($0) }
    }

    private static func crasher() -> String? {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        let path = (own as NSString).deletingLastPathComponent + "/StorageCrasher"
        return FileManager.default.isExecutableFile(atPath: path) ? path : nil
    }

    /// As the writer makes them.
    private func rowBytes(_ number: Int) -> [UInt8] {
        let count = 200 + number % 3000
        var state = UInt64(truncatingIfNeeded: number) &* 0x9e37_79b9_7f4a_7c15 | 1
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        }
    }
}
