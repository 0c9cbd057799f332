import Foundation

/// The lines of a .jsonl or .jsonl.gz file, one after the other, in constant memory.
///
/// A compressed file is read through `gzip -dc`: every system that runs Grape has it, and a benchmark needs no library
/// of its own for it. The class is used by one owner at a time.
package final class PayloadLines {
    private let name: String
    private let input: FileHandle
    private let gzip: Process?
    private var waiting: [UInt8] = []
    private var position = 0

    package init(path: String) throws(BenchFailure) {
        name = path
        guard let file = FileHandle(forReadingAtPath: path) else {
            throw BenchFailure("\(path): can't be opened for reading")
        }
        guard path.hasSuffix(".gz") else {
            (input, gzip) = (file, nil)
            return
        }
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["gzip", "-dc"]
        process.standardInput = file
        process.standardOutput = output
        do { try process.run() } catch { throw BenchFailure("\(path): gzip can't be started: \(error)") }
        (input, gzip) = (output.fileHandleForReading, process)
    }

    deinit {
        if let gzip, gzip.isRunning { gzip.terminate() }
    }

    /// The next line, which must look like a JSON object; nil behind the last.
    package func next() throws(BenchFailure) -> [UInt8]? {
        while true {
            if let end = waiting[position...].firstIndex(of: UInt8(ascii: "\n")) {
                let line = Array(waiting[position..<end])
                position = end + 1
                guard line.first == UInt8(ascii: "{"), line.last == UInt8(ascii: "}") else {
                    throw BenchFailure("\(name): a line that is no JSON object")
                }
                return line
            }
            guard try refill() else { return nil }
        }
    }

    /// All lines of a file.
    static func all(path: String) throws(BenchFailure) -> [[UInt8]] {
        let lines = try PayloadLines(path: path)
        var all: [[UInt8]] = []
        while let line = try lines.next() { all.append(line) }
        return all
    }

    /// False at the end of the file.
    private func refill() throws(BenchFailure) -> Bool {
        waiting.removeSubrange(..<position)
        position = 0
        let piece: Data?
        do { piece = try input.read(upToCount: 1 << 18) } catch {
            throw BenchFailure("\(name): \(error.localizedDescription)")
        }
        if let piece, !piece.isEmpty {
            waiting.append(contentsOf: piece)
            return true
        }
        gzip?.waitUntilExit()
        guard gzip == nil || gzip?.terminationStatus == 0 else { throw BenchFailure("\(name): gzip can't unpack it") }
        guard waiting.isEmpty else {
            waiting.append(UInt8(ascii: "\n"))
            return true
        }
        return false
    }
}
