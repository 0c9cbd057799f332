import Foundation
import Logging

/// One log message with everything that belongs to it, ready to be rendered.
///
/// A rendered line is one line whatever the message contains: control characters are escaped, so nobody who can get
/// text into a log can forge lines or drive a terminal. It is bounded: what does not fit is cut and marked with "…".
package struct LogLine: Sendable {
    package var time: Date
    package var level: Logger.Level
    package var label: String
    package var message: String
    package var metadata: Logger.Metadata

    /// UTF-8 bytes of text in one line before escaping; escapes can make a byte up to six.
    package static let textBytesMax = 8_192

    package init(time: Date, level: Logger.Level, label: String, message: String, metadata: Logger.Metadata) {
        self.time = time
        self.level = level
        self.label = label
        self.message = message
        self.metadata = metadata
    }

    /// UTC with milliseconds: `2026-11-21T04:01:48.123Z`.
    var timestamp: String { time.formatted(Self.timestampStyle) }

    /// The name of the level as the configuration writes it.
    var levelName: String { level == .warning ? "warn" : level.rawValue }

    /// Metadata in a fixed order, since dictionaries have none.
    var sortedMetadata: [(key: String, value: Logger.MetadataValue)] { metadata.sorted { $0.key < $1.key } }

    private static let timestampStyle = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
}

/// What is left of a line's bound while it is rendered.
struct LogTextBudget {
    private var bytesLeft = LogLine.textBytesMax

    /// The part of `text` that still fits, marked where it was cut.
    mutating func take(_ text: String) -> String {
        if text.utf8.count <= bytesLeft {
            bytesLeft -= text.utf8.count
            return text
        }
        var end = text.utf8.index(text.startIndex, offsetBy: bytesLeft)
        while end > text.startIndex && end.samePosition(in: text.unicodeScalars) == nil {
            end = text.utf8.index(before: end)
        }
        bytesLeft = 0
        return text[..<end] + "…"
    }

    var isSpent: Bool { bytesLeft == 0 }
}

extension Unicode.Scalar {
    /// Whether the scalar may change what a terminal or a log reader shows: control characters, line separators, and
    /// marks that turn the direction of writing.
    var isUnsafeInLogs: Bool {
        switch value {
        case 0..<0x20, 0x7F..<0xA0, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF: true
        default: false
        }
    }
}
