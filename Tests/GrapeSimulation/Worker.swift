import GrapeTestKit

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
        var total = Simulation.Report()
        var runs = 0
        while runs < arguments.runs && clock.now - start < .seconds(min(arguments.seconds, 1 << 40)) {
            print("seed \(seed)")
            do {
                let options = SimulationOptions(
                    seed: seed, events: arguments.events, plantedBug: arguments.plantedBug)
                let report = try Simulation(options).run()
                if arguments.printsTraces { print("trace \(seed) \(String(report.trace, radix: 16))") }
                total.add(report)
            } catch {
                print("failure\n\(error)")
                return false
            }
            runs += 1
            seed &+= arguments.stride
        }
        let seconds = Double((clock.now - start) / .milliseconds(1)) / 1_000
        print("total \(runs) \(total.events) \(total.operations) \(Int(seconds * 1_000))")
        for event in CoveredEvent.allCases { print("count \(event.rawValue) \(total.coverage[event])") }
        return true
    }
}
