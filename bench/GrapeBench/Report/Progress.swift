import Foundation

/// A line on the terminal that tells how far a long measurement is; nothing where there is no terminal.
struct Progress {
    private let total: Int
    private let started = ContinuousClock.now
    private var lastShown = ContinuousClock.now
    private let isTerminal = isatty(STDERR_FILENO) == 1

    init(total: Int) {
        self.total = total
    }

    mutating func show(done: Int) {
        let now = ContinuousClock.now
        guard isTerminal, now - lastShown > .milliseconds(250) || done == total else { return }
        lastShown = now
        let rate = Int(Double(done) / max((now - started).seconds, 0.001))
        write("\r\(Report.grouped(done)) of \(Report.grouped(total)) points, \(Report.grouped(rate)) points/s   ")
        if done == total { write("\n") }
    }

    private func write(_ text: String) {
        FileHandle.standardError.write(Data(text.utf8))
    }
}
