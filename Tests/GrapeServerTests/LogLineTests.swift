import Foundation
import GrapeConfiguration
import GrapeServer
import Logging
import Testing

@Suite struct LogLineTests {
    private func line(
        _ message: String = "listening", level: Logger.Level = .info, _ metadata: Logger.Metadata = [:]
    ) -> LogLine {
        let time = Date(timeIntervalSince1970: 1_763_697_708.125)
        return LogLine(time: time, level: level, label: "grape.api", message: message, metadata: metadata)
    }

    private func decoded(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    @Test func `a pretty line has time, level, message and metadata in a fixed order`() {
        let text = line("listening", level: .warning, ["port": "6333", "a": "two words", "empty": ""]).pretty(
            inColour: false)
        #expect(text == "2025-11-21T04:01:48.125Z WARN  listening a=\"two words\" empty=\"\" port=6333\n")
    }

    @Test func `colour surrounds the level only`() {
        let text = line(level: .error).pretty(inColour: true)
        #expect(text == "2025-11-21T04:01:48.125Z \u{1B}[31mERROR\u{1B}[0m listening\n")
    }

    @Test func `a JSON line has the documented fields`() throws {
        let metadata: Logger.Metadata = ["n": "1", "list": ["a", "b\""], "map": ["k": "v"]]
        let object = try decoded(line("said \"hi\" \\ bye", metadata).json())
        #expect(object["ts"] as? String == "2025-11-21T04:01:48.125Z")
        #expect(object["level"] as? String == "info" && object["logger"] as? String == "grape.api")
        #expect(object["msg"] as? String == "said \"hi\" \\ bye")
        let decodedMetadata = try #require(object["metadata"] as? [String: Any])
        #expect(decodedMetadata["n"] as? String == "1" && decodedMetadata["list"] as? [String] == ["a", "b\""])
        #expect(decodedMetadata["map"] as? [String: String] == ["k": "v"])
        #expect(try decoded(line().json())["metadata"] == nil)
    }

    @Test func `no text can forge a line or drive a terminal`() throws {
        var nasty = "über 🍇 "
        for value in UInt32(0)..<0x3000 {
            if let scalar = Unicode.Scalar(value) { nasty.unicodeScalars.append(scalar) }
        }
        // In parts that stay under the bound, in every place where text can stand.
        let scalars = Array(nasty.unicodeScalars)
        for start in stride(from: 0, to: scalars.count, by: 500) {
            let part = String(String.UnicodeScalarView(scalars[start..<min(start + 500, scalars.count)]))
            let line = line(part, [part: .string(part)])
            for text in [line.pretty(inColour: false), line.json()] {
                #expect(text.hasSuffix("\n"))
                #expect(!text.dropLast().unicodeScalars.contains { isControl($0) })
            }
            #expect(try decoded(line.json())["msg"] as? String == part)
        }
    }

    @Test(arguments: [0, 1, 2, 3])
    func `a line is bounded, cut between characters and still JSON`(offset: Int) throws {
        let huge = String(repeating: "x", count: offset) + String(repeating: "🍇", count: 50_000)
        let line = line(huge, ["a": .string(huge), "b": .array([.string(huge)])])
        #expect(line.pretty(inColour: false).utf8.count < 2 * LogLine.textBytesMax)
        let message = try #require(try decoded(line.json())["msg"] as? String)
        #expect(message.hasSuffix("🍇…") && line.json().utf8.count < 2 * LogLine.textBytesMax)
        #expect(!message.contains("\u{FFFD}"))
    }

    @Test func `metadata nested without end is cut`() throws {
        var value = Logger.MetadataValue.string("end")
        for _ in 0..<100 { value = .array([value]) }
        _ = try decoded(line("deep", ["v": value]).json())
    }

    private func isControl(_ scalar: Unicode.Scalar) -> Bool {
        [.control, .lineSeparator, .paragraphSeparator].contains(scalar.properties.generalCategory)
            || (0x202A...0x202E).contains(scalar.value)
    }
}

@Suite struct LineLogHandlerTests {
    private func logger(
        level: LogLevel = .info, format: LogFormat = .json, to pipe: Pipe,
        metadataProvider: Logger.MetadataProvider? = nil
    ) -> Logger {
        let output = LogOutput(writingTo: pipe)
        return Logger(label: "test") { label in
            var handler = LineLogHandler(
                label: label, level: .init(level), format: format, inColour: false, output: output)
            handler.metadataProvider = metadataProvider
            return handler
        }
    }

    private func lines(of pipe: Pipe) throws -> [String] {
        try pipe.fileHandleForWriting.close()
        let text = String(decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        return text.split(separator: "\n").map(String.init)
    }

    @Test func `messages below the level are left out`() throws {
        let pipe = Pipe()
        let logger = logger(level: .warn, to: pipe)
        logger.info("no")
        logger.warning("yes")
        logger.error("also")
        #expect(try lines(of: pipe).count == 2)
    }

    @Test func `a message's metadata comes before its context's and the logger's`() throws {
        let pipe = Pipe()
        let provider = Logger.MetadataProvider { ["a": "context", "b": "context"] }
        var logger = logger(format: .pretty, to: pipe, metadataProvider: provider)
        logger[metadataKey: "a"] = "logger"
        logger[metadataKey: "c"] = "logger"
        logger.info("m", metadata: ["b": "message"])
        #expect(try lines(of: pipe).first?.hasSuffix("m a=context b=message c=logger") == true)
    }

    @Test func `lines of many threads don't mix`() async throws {
        let pipe = Pipe()
        let logger = logger(to: pipe)
        let reading = Task.detached { try? pipe.fileHandleForReading.readToEnd() }
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                group.addTask {
                    // Longer than a pipe takes at once without waiting.
                    let filler = String(repeating: "\(task)", count: 7_000)
                    for _ in 0..<50 { logger.info("\(filler)") }
                }
            }
        }
        try pipe.fileHandleForWriting.close()
        let lines = String(decoding: await reading.value ?? Data(), as: UTF8.self).split(separator: "\n")
        #expect(lines.count == 400)
        for line in lines {
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            let message = object?["msg"] as? String
            #expect(message?.count == 7_000 && Set(message ?? "").count == 1)
        }
    }

    @Test func `a reader that went away doesn't stop the server`() throws {
        signal(SIGPIPE, SIG_IGN)
        let pipe = Pipe()
        let logger = logger(to: pipe)
        try pipe.fileHandleForReading.close()
        logger.error("nobody listens")
    }
}
