import Foundation
import GrapeTestKit
import Testing

private let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../../../shared/data/linearizability").standardized

private func verdicts() -> [String: Bool] {
    guard let data = try? Data(contentsOf: folder.appending(path: "verdicts.json")) else { return [:] }
    return (try? JSONDecoder().decode([String: Bool].self, from: data)) ?? [:]
}

@Suite("Recorded histories", .enabled(if: !verdicts().isEmpty, "no recorded histories at \(folder.path)"))
struct RecordedHistoryTests {
    @Test("Every recorded history is judged as recorded", arguments: verdicts().sorted { $0.key < $1.key }.map(\.key))
    func judged(name: String) throws {
        let text = try String(contentsOf: folder.appending(path: name), encoding: .utf8)
        let expected = try #require(verdicts()[name] as Bool?)
        let verdict = name.hasPrefix("jepsen/") ? try registerVerdict(text) : try mapVerdict(text)
        #expect(verdict == expected)
    }

    private func registerVerdict(_ text: String) throws -> Bool {
        let verdict = LinearizabilityChecker(model: RegisterModel()).check(try RecordedHistory.register(text))
        try #require(verdict != .undecided)
        return verdict == .linearizable
    }

    private func mapVerdict(_ text: String) throws -> Bool {
        let histories = try RecordedHistory.map(text).map(\.history)
        let verdict = LinearizabilityChecker(model: AppendModel()).check(all: histories)
        try #require(verdict != .undecided)
        return verdict == .linearizable
    }

    @Test("A line that is no event is reported with its number")
    func malformed() {
        #expect(throws: RecordedHistory.Malformed.self) {
            try RecordedHistory.register("INFO jepsen - 0\t:ok\t:read\t1")
        }
        #expect(throws: RecordedHistory.Malformed.self) { try RecordedHistory.map("{:process 0}") }
    }
}
