import Foundation
import GrapeTestKit
import Testing

@Suite("Simulated clusters", .serialized)
struct SimulationTests {
    /// `GRAPE_SIMULATION_SECONDS` sets how long fresh seeds run; CI gives 60.
    private static let seconds = ProcessInfo.processInfo.environment["GRAPE_SIMULATION_SECONDS"] ?? "20"

    @Test("Fresh seeds run clean")
    func freshSeeds() async throws {
        let result = try await SimulateProcess.run(["--seconds", Self.seconds])
        #expect(result.status == 0, "\(result.output)")
        print(result.output)
    }

    @Test("Every rare event happens within the first 400 seeds, and every run is clean")
    func coverage() async throws {
        let result = try await SimulateProcess.run(["--seed", "1", "--runs", "400"])
        #expect(result.status == 0 && !result.output.contains("never happened"), "\(result.output)")
    }

    @Test("Twenty seeds give the same trace in another process")
    func replay() async throws {
        let traces = try (UInt64(1)...20).map { seed in
            let report = try Simulation(SimulationOptions(seed: seed, events: 5_000)).run()
            return "trace \(seed) \(String(report.trace, radix: 16))"
        }
        let other = try await SimulateProcess.run(
            ["--seed", "1", "--runs", "20", "--events", "5000", "--workers", "1", "--trace"])
        #expect(other.output.split(separator: "\n").filter { $0.hasPrefix("trace") }.map(String.init) == traces)
        #expect(Set(traces.map { $0.split(separator: " ").last }).count == 20)
    }

    @Test(
        "A planted bug is caught within 600 seeds, and the printed command shows it again",
        arguments: PlantedBug.allCases)
    func plantedBug(_ bug: PlantedBug) async throws {
        let result = try await SimulateProcess.run(
            ["--seed", "1", "--runs", "600", "--plant", bug.rawValue, "--workers", "1"])
        #expect(result.status == 1, "\(bug.rawValue) went unnoticed: \(result.output)")
        let command = try #require(
            result.output.split(separator: "\n").first { $0.hasPrefix("replay: grape-simulate ") })
        let again = try await SimulateProcess.run(command.split(separator: " ").dropFirst(2).map(String.init))
        let failure = result.output.split(separator: "\n").first { $0.hasPrefix("FAILED") }
        #expect(failure != nil)
        #expect(again.output.split(separator: "\n").first { $0.hasPrefix("FAILED") } == failure)
    }

    @Test("Options that are none are refused with the usage")
    func usage() async throws {
        for arguments in [["--speed", "9"], ["--seconds"], ["--seconds", "x"], ["--plant", "roses"]] {
            let result = try await SimulateProcess.run(arguments)
            #expect(result.status == 2 && result.output.contains("usage:"), "\(arguments): \(result.output)")
        }
    }
}
