import Foundation
import GrapeModel
import Synchronization

/// What the tool says: results on standard output, everything else on standard error; there a progress bar, where
/// somebody watches.
enum Terminal {
    private static let isWatched = isatty(2) == 1
    private static let shown = Mutex<String>("")

    static func print(_ bytes: [UInt8]) {
        try? FileHandle.standardOutput.write(contentsOf: Data(bytes + [UInt8(ascii: "\n")]))
    }

    static func print(_ text: String) { print(Array(text.utf8)) }

    static func complain(_ line: String) {
        try? FileHandle.standardError.write(contentsOf: Data((line + "\n").utf8))
    }

    /// - Parameter share: of the work that is behind, 0 to 1.
    static func progress(_ what: String, _ share: Double) {
        guard isWatched else { return }
        let width = 30
        let done = Int((min(1, max(0, share)) * Double(width)).rounded())
        let bar = String(repeating: "█", count: done) + String(repeating: "░", count: width - done)
        let line = "\(bar) \(Int(min(1, max(0, share)) * 100)) %  \(what)"
        shown.withLock { last in
            guard last != line else { return }
            last = line
            try? FileHandle.standardError.write(contentsOf: Data("\r\u{1b}[K\(line)".utf8))
        }
    }

    static func clearProgress() {
        shown.withLock { last in
            guard !last.isEmpty else { return }
            last = ""
            try? FileHandle.standardError.write(contentsOf: Data("\r\u{1b}[K".utf8))
        }
    }

    static func megabytes(_ bytes: UInt64) -> String {
        bytes < 10 << 20 ? "\(bytes >> 10) KB" : "\(bytes >> 20) MB"
    }
}

/// Writes JSON that programs read, or lines that people do.
struct Output {
    let json: Bool

    func show(_ text: @autoclosure () -> String, _ write: (inout JSONWriter) -> Void) {
        Terminal.clearProgress()
        guard json else { return Terminal.print(text()) }
        var writer = JSONWriter(capacity: 1_024)
        write(&writer)
        Terminal.print(writer.bytes)
    }
}
