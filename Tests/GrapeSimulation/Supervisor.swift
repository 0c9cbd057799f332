import Foundation
import GrapeTestKit

/// Starts a worker process a core, each with every so many-th seed, and sums up what they say.
///
/// A worker that ends without a report has trapped: its last "seed" line tells which run did it.
struct Supervisor {
    private struct Outcome {
        var runs = 0
        var report = Simulation.Report()
        var cpuSeconds = 0.0
        var isClean = true
    }

    private let arguments: SimulateArguments
    private let firstSeed: UInt64
    private let workers: Int

    init(_ arguments: SimulateArguments) {
        self.arguments = arguments
        let cores = arguments.workers ?? ProcessInfo.processInfo.activeProcessorCount
        workers = max(1, min(cores, arguments.runs))
        firstSeed = arguments.seed ?? UInt64(Date().timeIntervalSince1970 * 1_000)
    }

    /// Returns whether all runs were clean.
    func run() throws -> Bool {
        print("seeds from \(firstSeed), \(workers) workers")
        let processes = try (0..<workers).map { try start($0) }
        var total = Outcome()
        for (process, output) in processes {
            let text = read(output)
            process.waitUntilExit()
            sum(text, process.terminationStatus, &total)
        }
        summarise(total)
        return total.isClean
    }

    private func start(_ worker: Int) throws -> (Process, Pipe) {
        let process = Process()
        process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
        var options = [
            "--worker", "--seed", String(firstSeed &+ UInt64(worker)), "--stride", String(workers),
            "--events", String(arguments.events),
        ]
        if arguments.runs != .max { options += ["--runs", String((arguments.runs + workers - 1 - worker) / workers)] }
        if arguments.seconds != .max { options += ["--seconds", String(arguments.seconds)] }
        if let bug = arguments.plantedBug { options += ["--plant", bug.rawValue] }
        if arguments.printsTraces { options.append("--trace") }
        process.arguments = options
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        return (process, output)
    }

    private func read(_ output: Pipe) -> String {
        String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    }

    private func sum(_ text: String, _ status: Int32, _ total: inout Outcome) {
        var lastSeed = ""
        var isFinished = false
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            let numbers = words.dropFirst().compactMap { Int($0) }
            switch (words.first, numbers.count) {
            case ("seed", 1): lastSeed = String(words[1])
            case ("trace", _): print(line)
            case ("total", 4):
                isFinished = true
                total.runs += numbers[0]
                total.report.events += numbers[1]
                total.report.operations += numbers[2]
                total.cpuSeconds += Double(numbers[3]) / 1_000
            case ("count", 2): total.report.coverage.add(numbers[1], to: numbers[0])
            default: break
            }
        }
        if isFinished { return }
        total.isClean = false
        if let failure = text.range(of: "failure\n") {
            print(text[failure.upperBound...])
        } else {
            let options = SimulationOptions(
                seed: UInt64(lastSeed) ?? 0, events: arguments.events, plantedBug: arguments.plantedBug)
            print(
                "FAILED trap, status \(status)\nseed \(lastSeed)\noptions \(options)\nreplay: \(options.replayCommand)")
        }
    }

    private func summarise(_ total: Outcome) {
        let report = total.report
        let rate = total.cpuSeconds > 0 ? Int(Double(report.events) / total.cpuSeconds) : 0
        print("\(total.runs) seeds, \(report.events) events, \(report.operations) client operations")
        print("\(rate) events a second a core")
        for event in CoveredEvent.allCases { print("  \(event) \(report.coverage[event])") }
        if total.isClean && !report.coverage.missing.isEmpty {
            print("never happened: \(report.coverage.missing.map { "\($0)" }.joined(separator: ", "))")
        }
    }
}
