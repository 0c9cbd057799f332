import GrapeClusterTestKit
import GrapeTestKit

/// One seed's run, of the core alone or of a whole cluster, and what it came to.
struct SimulatedRun {
    var events = 0
    var operations = 0
    var trace: UInt64 = 0
    /// By the names of what is counted.
    var counts: [(name: String, count: Int)] = []

    init(seed: UInt64, _ arguments: SimulateArguments) throws {
        if arguments.simulatesCluster {
            let report = try ClusterSimulation(Self.clusterOptions(seed, arguments)).run()
            (events, operations, trace) = (report.events, report.operations, report.trace)
            counts = ClusterEvent.allCases.map { ("\($0)", report.coverage[$0]) }
        } else {
            let report = try Simulation(Self.coreOptions(seed, arguments)).run()
            (events, operations, trace) = (report.events, report.operations, report.trace)
            counts = CoveredEvent.allCases.map { ("\($0)", report.coverage[$0]) }
        }
    }

    /// How a run of this seed is made, in words, and the command that makes it again.
    static func describe(seed: UInt64, _ arguments: SimulateArguments) -> (options: String, replay: String) {
        if arguments.simulatesCluster {
            let options = clusterOptions(seed, arguments)
            return ("\(options)", options.replayCommand)
        }
        let options = coreOptions(seed, arguments)
        return ("\(options)", options.replayCommand)
    }

    private static func coreOptions(_ seed: UInt64, _ arguments: SimulateArguments) -> SimulationOptions {
        SimulationOptions(
            seed: seed, events: arguments.events, plantedBug: arguments.plantedBug.flatMap(PlantedBug.init(rawValue:)))
    }

    private static func clusterOptions(_ seed: UInt64, _ arguments: SimulateArguments) -> ClusterOptions {
        ClusterOptions(
            seed: seed, events: arguments.events, plantedBug: arguments.plantedBug.flatMap(ClusterBug.init(rawValue:)))
    }

    /// What may never happen in all runs without making them worthless.
    static let mayBeMissing = ["deadlocksByRemovedVoter", "historiesUndecided"]
}
