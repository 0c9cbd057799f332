import Foundation

/// Starts a worker process a core, each with every so many-th seed, and sums up what they say.
///
/// A worker that ends without a report has trapped: its last "seed" line tells which run did it.
struct Supervisor {
    private struct Outcome {
        var runs = 0
        var events = 0
        var operations = 0
        /// In the order in which a worker told them.
        var counts: [(name: String, count: Int)] = []
        var cpuSeconds = 0.0
        var isClean = true

        mutating func add(_ count: Int, to name: String) {
            if let place = counts.firstIndex(where: { $0.name == name }) {
                counts[place].count += count
            } else {
                counts.append((name, count))
            }
        }
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
        if let bug = arguments.plantedBug { options += ["--plant", bug] }
        if arguments.simulatesCluster { options.append("--cluster") }
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
                total.events += numbers[1]
                total.operations += numbers[2]
                total.cpuSeconds += Double(numbers[3]) / 1_000
            case ("count", 1): total.add(numbers[0], to: String(words[1]))
            default: break
            }
        }
        if isFinished { return }
        total.isClean = false
        if let failure = text.range(of: "failure\n") {
            print(text[failure.upperBound...])
        } else {
            let run = SimulatedRun.describe(seed: UInt64(lastSeed) ?? 0, arguments)
            print("FAILED trap, status \(status)\nseed \(lastSeed)\noptions \(run.options)\nreplay: \(run.replay)")
        }
    }

    private func summarise(_ total: Outcome) {
        let rate = total.cpuSeconds > 0 ? Int(Double(total.events) / total.cpuSeconds) : 0
        print("\(total.runs) seeds, \(total.events) events, \(total.operations) client operations")
        print("\(rate) events a second a core")
        for (name, count) in total.counts { print("  \(name) \(count)") }
        let missing = total.counts.filter { $0.count == 0 && !SimulatedRun.mayBeMissing.contains($0.name) }
        if total.isClean && !missing.isEmpty {
            print("never happened: \(missing.map(\.name).joined(separator: ", "))")
        }
    }
}
