import Foundation

/// Plays transcripts and compares what comes out, line by line, log lines aside.
enum TranscriptRunner {
    /// The first step of a file that went otherwise.
    struct Difference {
        var file: String
        var step: TranscriptFile.Step
        var actual: [String]
    }

    /// Every transcript below `directory`, in order.
    static func files(below directory: String) -> [String] {
        guard let names = FileManager.default.enumerator(atPath: directory) else { return [] }
        let transcripts = names.compactMap { $0 as? String }.filter { $0.hasSuffix(".txt") }
        return transcripts.map { directory + "/" + $0 }.sorted()
    }

    /// Plays one file; nil when all of it is equal.
    static func firstDifference(in file: String) -> Difference? {
        guard let data = FileManager.default.contents(atPath: file) else {
            let step = TranscriptFile.Step(command: "", arguments: [], input: [], output: [], line: 0)
            return Difference(file: file, step: step, actual: ["cannot be read"])
        }
        return firstDifference(TranscriptFile(String(decoding: data, as: UTF8.self)), named: file)
    }

    static func firstDifference(_ transcript: TranscriptFile, named file: String) -> Difference? {
        var environment = InteractionEnvironment()
        var changes = ConfChangeTranscript()
        for step in transcript.steps {
            let output =
                switch step.command {
                case "committed", "vote": QuorumTranscript.run(step)
                case "simple", "enter-joint", "leave-joint": changes.run(step)
                default: environment.run(step)
                }
            let actual = withoutLog(output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init))
            if actual != withoutLog(step.output) { return Difference(file: file, step: step, actual: actual) }
        }
        return nil
    }

    /// Lines that say something; `ok` if there are none, as for a command that only logged.
    private static func withoutLog(_ lines: [String]) -> [String] {
        var kept = lines.filter { line in
            let text = line.drop { $0 == " " }
            return !["DEBUG ", "INFO ", "WARN ", "ERROR "].contains { text.hasPrefix($0) }
        }
        while kept.last == "" { kept.removeLast() }
        return kept.isEmpty ? ["ok"] : kept
    }

    /// The lines around the first one that differs.
    static func describe(_ difference: Difference) -> String {
        let expected = withoutLog(difference.step.output)
        let actual = difference.actual
        let common = zip(expected, actual).prefix { $0 == $1 }.count
        var text = "\(difference.file):\(difference.step.line): \(difference.step.command)\n"
        for line in expected[..<common].suffix(12) { text += "    \(line)\n" }
        for line in expected[common...].prefix(12) { text += "  - \(line)\n" }
        for line in actual[common...].prefix(12) { text += "  + \(line)\n" }
        return text
    }
}
