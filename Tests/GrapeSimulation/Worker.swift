import Foundation

/// Runs seeds one after the other and reports each on standard output, before and after, in lines that `Supervisor`
/// reads.
struct Worker {
    private let arguments: SimulateArguments

    init(_ arguments: SimulateArguments) { self.arguments = arguments }

    /// Returns whether all runs were clean.
    func run() -> Bool {
        let clock = ContinuousClock()
        let start = clock.now
        var seed = arguments.seed ?? 0
        var counts: [String: Int] = [:]
        var names: [String] = []
        var (runs, events, operations) = (0, 0, 0)
        while runs < arguments.runs && clock.now - start < .seconds(min(arguments.seconds, 1 << 40)) {
            // At once: where the run traps, this line tells which one it was.
            FileHandle.standardOutput.write(Data("seed \(seed)\n".utf8))
            do {
                let run = try SimulatedRun(seed: seed, arguments)
                if arguments.printsTraces { print("trace \(seed) \(String(run.trace, radix: 16))") }
                events += run.events
                operations += run.operations
                names = run.counts.map(\.name)
                for (name, count) in run.counts { counts[name, default: 0] += count }
            } catch {
                print("failure\n\(error)")
                return false
            }
            runs += 1
            seed &+= arguments.stride
        }
        let seconds = Double((clock.now - start) / .milliseconds(1)) / 1_000
        print("total \(runs) \(events) \(operations) \(Int(seconds * 1_000))")
        for name in names { print("count \(name) \(counts[name] ?? 0)") }
        return true
    }
}
