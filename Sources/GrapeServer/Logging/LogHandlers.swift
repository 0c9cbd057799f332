import Foundation
import Glibc
import GrapeConfiguration
import Logging
import Synchronization

/// Sets up logging for the process, to standard error as servers do: standard output stays free for answers such as
/// that of `--check`.
package enum LogHandlers {
    /// Call once, before the first `Logger` is made.
    static func bootstrap(_ settings: Configuration.Server) {
        let output = LogOutput.standardError
        let isTerminal = isatty(FileHandle.standardError.fileDescriptor) == 1
        let hasColour = isTerminal && ProcessInfo.processInfo.environment["NO_COLOR", default: ""].isEmpty
        let level = Logger.Level(settings.logLevel)
        let format = settings.logFormat
        LoggingSystem.bootstrap { label in
            LineLogHandler(label: label, level: level, format: format, inColour: hasColour, output: output)
        }
    }
}

/// A log handler that writes each message as one line.
package struct LineLogHandler: LogHandler {
    package var logLevel: Logger.Level
    package var metadata: Logger.Metadata = [:]
    package var metadataProvider: Logger.MetadataProvider?

    private let label: String
    private let format: LogFormat
    private let inColour: Bool
    private let output: LogOutput

    package init(label: String, level: Logger.Level, format: LogFormat, inColour: Bool, output: LogOutput) {
        self.label = label
        self.logLevel = level
        self.format = format
        self.inColour = inColour
        self.output = output
    }

    package subscript(metadataKey key: String) -> Logger.MetadataValue? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        let line = LogLine(
            time: Date(), level: event.level, label: label, message: event.message.description,
            metadata: mergedMetadata(of: event))
        output.write(format == .json ? line.json() : line.pretty(inColour: inColour))
    }

    /// What the message says of itself comes before what its context says, and that before the logger's own.
    private func mergedMetadata(of event: LogEvent) -> Logger.Metadata {
        var merged = metadata
        if let provided = metadataProvider?.get() { merged.merge(provided) { _, new in new } }
        if let explicit = event.metadata { merged.merge(explicit) { _, new in new } }
        if let error = event.error { merged["error"] = "\(error)" }
        return merged
    }
}

/// Where lines go.
///
/// Thread safety: any thread may write; `Mutex` keeps a line that the system takes in parts from mixing with another.
package final class LogOutput: Sendable {
    private let destination: Mutex<FileHandle>

    static let standardError = LogOutput(FileHandle.standardError)

    private init(_ handle: sending FileHandle) { destination = Mutex(handle) }

    package convenience init(writingTo pipe: Pipe) { self.init(pipe.fileHandleForWriting) }

    /// Writes `line` with one system call, unless the system takes less. A log that can't be written is no reason to
    /// stop serving, so failures are dropped.
    func write(_ line: String) {
        let bytes = Data(line.utf8)
        destination.withLock { handle in try? handle.write(contentsOf: bytes) }
    }
}

extension Logger.Level {
    package init(_ level: LogLevel) {
        switch level {
        case .trace: self = .trace
        case .debug: self = .debug
        case .info: self = .info
        case .warn: self = .warning
        case .error: self = .error
        }
    }
}
