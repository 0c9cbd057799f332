import Foundation
import Testing

@Suite("Transcripts of the model")
struct TranscriptTests {
    private static let packageRoot = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

    private static var directories: [String] {
        let own = packageRoot + "/../shared/data/etcd-raft"
        let others = ProcessInfo.processInfo.environment["GRAPE_RAFT_TRANSCRIPTS"] ?? ""
        return [own] + others.split(separator: ":").map(String.init)
    }

    @Test("every transcript is reproduced line by line")
    func transcriptsAreReproduced() {
        let files = Self.directories.flatMap { TranscriptRunner.files(below: $0) }
        if files.isEmpty {
            print("transcripts: none found at ../shared/data/etcd-raft or in GRAPE_RAFT_TRANSCRIPTS, skipped")
            return
        }
        let differences = files.compactMap { TranscriptRunner.firstDifference(in: $0) }
        for difference in differences.prefix(10) { print(TranscriptRunner.describe(difference)) }
        let equal = files.count - differences.count
        print("transcripts: \(equal) of \(files.count) equal")
        #expect(equal == files.count)
    }

    @Test("a changed line is noticed")
    func changedLineIsNoticed() {
        let good = TranscriptFile("add-nodes 1 voters=(1) index=2\n----\nok\n\ncampaign 1\n----\nINFO whatever\n")
        #expect(TranscriptRunner.firstDifference(good, named: "good") == nil)
        let bad = TranscriptFile("add-nodes 1 voters=(1) index=2\n----\nok\n\ncampaign 1\n----\n1 is leader\n")
        let difference = TranscriptRunner.firstDifference(bad, named: "bad")
        #expect(difference?.step.line == 5)
        #expect(difference.map(TranscriptRunner.describe)?.contains("- 1 is leader") == true)
    }
}
