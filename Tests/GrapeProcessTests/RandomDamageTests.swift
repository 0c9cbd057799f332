import Foundation
import GrapeBench
import GrapeTestKit
import Testing

/// Random bytes flipped and files cut in the directory of a killed server, of any kind that it has: table files, the log,
/// MANIFEST and CURRENT, the files `synced` and `acknowledged`, options; index checkpoints lie in table files. Each is
/// detected by a server that starts on it, or harms nothing: no point is served wrong, none is silently gone, and no server
/// ends without the name of a file.
///
/// `GRAPE_DAMAGE=FLIPS,CUTS` sets how many (200,50 is the long form), `GRAPE_DAMAGE_SEED` which.
@Suite(.serialized, .timeLimit(.minutes(60)))
struct RandomDamageTests {
    private static let records = (0..<1_500).map { Record(id: $0, version: 1) }

    private static var counts: (flips: Int, cuts: Int) {
        let parts = (ProcessInfo.processInfo.environment["GRAPE_DAMAGE"] ?? "").split(separator: ",").compactMap {
            Int($0)
        }
        return parts.count == 2 ? (parts[0], parts[1]) : (8, 4)
    }

    private static var seed: UInt64 {
        ProcessInfo.processInfo.environment["GRAPE_DAMAGE_SEED"].flatMap { UInt64($0) } ?? .random(in: 1...1 << 32)
    }

    /// Rows in table files and in the log, a graph with a checkpoint, a promise for each group; ended by kill -9.
    private func filledSite() async throws -> Site {
        let site = try Site()
        for (part, extra) in [0..<1_200, 1_200..<1_500].enumerated() {
            let server = try site.start(extra: ["--storage.write-buffer-size-mb", "1"])
            let connection = try await connect(try await server.healthyEndpoint())
            for start in stride(from: extra.lowerBound, to: extra.upperBound, by: 100) {
                let batch = Record.batch(Array(Self.records[start..<start + 100]))
                #expect(try await connection.exchange(HTTPRequest(.POST, "/vectors/batch", json: batch)).status == 200)
            }
            await connection.close()
            if part == 0 {
                server.send(SIGTERM)
                #expect(try await server.waitForEnd() == 0, "\(server.logEnd)")
            } else {
                // Promises reach their file a moment after the writes.
                try await Task.sleep(for: .milliseconds(300))
                try await server.killNow()
            }
        }
        return site
    }

    private func files(_ site: Site) throws -> [URL] {
        let names = try FileManager.default.contentsOfDirectory(atPath: site.data.path).sorted()
        let passed = ["LOCK", "LOG", "reserve"]
        return names.filter { name in !passed.contains(name) && !name.hasPrefix("LOG.old") }
            .map { site.data.appendingPathComponent($0) }
            .filter { ((try? Data(contentsOf: $0))?.count ?? 0) > 0 }
    }

    private enum Verdict: Equatable {
        case refused, partly, harmless
    }

    /// Starts a server on the damaged directory and asks for every point.
    private func examine(_ site: Site, _ file: String, _ what: String) async throws -> Verdict {
        let server = try site.start()
        let endpoint: Endpoint
        do {
            endpoint = try await server.healthyEndpoint()
        } catch {
            guard !server.isRunning else { throw error }
            let status = try await server.waitForEnd()
            #expect(status == 65 || status == 73, "\(what): ended with \(status)\n\(server.logEnd)")
            #expect(isNamed(file, server.logText), "\(what): \(file) is not named\n\(server.logEnd)")
            return .refused
        }
        let connection = try await connect(endpoint)
        var refused = 0
        for record in Self.records {
            let answer = try await connection.exchange(HTTPRequest(.GET, "/vectors/\(record.id)"))
            if answer.status == 200 {
                #expect(try Record(answer: answer, id: record.id) == record, "\(what): served wrong")
            } else {
                #expect(answer.status >= 500, "\(what): point \(record.id): \(answer.status) \(answer.text)")
                refused += 1
            }
        }
        await connection.close()
        #expect(refused == 0 || isNamed(file, server.logText), "\(what): \(file) is not named\n\(server.logEnd)")
        try await server.killNow()
        return refused == 0 ? .harmless : .partly
    }

    /// RocksDB looks for a missing table under an older suffix, too, and for a MANIFEST by what CURRENT says; a damaged log
    /// or MANIFEST shows in the length that the file `synced` noted, by its name.
    private func isNamed(_ file: String, _ log: String) -> Bool {
        log.contains(file) || log.contains(file.split(separator: ".")[0])
            || file == "CURRENT" && log.contains("MANIFEST") || file == "synced" && log.contains("synced")
    }

    private func damage(_ file: URL, cut: Bool, _ random: inout SplitMix64) throws -> String {
        var bytes = try Data(contentsOf: file)
        // Preallocated zeros behind a log's last record hold nothing.
        let used = (bytes.lastIndex { $0 != 0 } ?? 0) + 1
        let place = Int.random(in: 0..<used, using: &random)
        let what: String
        if cut {
            bytes = bytes.prefix(place)
            what = "\(file.lastPathComponent) cut to \(place) of \(used) bytes"
        } else {
            let bit = UInt8.random(in: 0..<8, using: &random)
            bytes[place] ^= 1 << bit
            what = "bit \(bit) of byte \(place) of \(file.lastPathComponent) (\(used) bytes) flipped"
        }
        try bytes.write(to: file)
        return what
    }

    @Test("flipped bits and cut files are detected or harmless, never served, and named where a server refuses them")
    func randomDamage() async throws {
        let seed = Self.seed
        var random = SplitMix64(seed: seed)
        let site = try await filledSite()
        let files = try files(site)
        #expect(
            files.contains { $0.lastPathComponent == "acknowledged" } && files.contains { $0.pathExtension == "log" })
        #expect(files.contains { $0.pathExtension == "sst" })
        var verdicts: [String: [String: Int]] = [:]
        let (flips, cuts) = Self.counts
        for round in 0..<(flips + cuts) {
            let copy = try Site()
            try FileManager.default.copyItem(at: site.data, to: copy.data)
            // Every kind of file has its turn.
            let file = files[round % files.count].lastPathComponent
            let what = try damage(copy.data.appendingPathComponent(file), cut: round >= flips, &random)
            let verdict = try await examine(copy, file, "seed \(seed), round \(round), \(what)")
            let kind = file.hasPrefix("MANIFEST") || file.hasPrefix("OPTIONS") ? String(file.prefix(7)) : suffix(file)
            verdicts[kind, default: [:]]["\(verdict)", default: 0] += 1
        }
        for (kind, counts) in verdicts.sorted(by: { $0.key < $1.key }) {
            print("damage to \(kind): \(counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" })")
        }
    }

    private func suffix(_ file: String) -> String { file.contains(".") ? String(file.split(separator: ".")[1]) : file }
}
