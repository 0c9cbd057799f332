import GrapeTestKit

@main
enum Simulate {
    static func main() {
        let arguments = CommandLine.arguments
        func value(_ name: String) -> UInt64? {
            arguments.firstIndex(of: name).flatMap { arguments.indices.contains($0 + 1) ? UInt64(arguments[$0 + 1]) : nil }
        }
        let first = value("--seed") ?? 1
        let clock = ContinuousClock()
        let start = clock.now
        var events = 0
        var coverage = Coverage()
        for seed in first..<(first + (value("--runs") ?? 100)) {
            do {
                let report = try Simulation(SimulationOptions(seed: seed, events: Int(value("--events") ?? 20_000))).run()
                events += report.events
                coverage.add(report.coverage)
            } catch {
                print(error)
                return
            }
        }
        let seconds = (clock.now - start) / .seconds(1)
        print("events", events, "per second", Double(events) / seconds)
        for event in CoveredEvent.allCases { print(event, coverage[event]) }
    }
}
