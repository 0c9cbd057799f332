import GrapeClusterTestKit
import GrapeTestKit

struct SimulateArguments {
    struct Malformed: Error {
        let message: String
    }

    static let usage = """
        usage: grape-simulate [--cluster] [--seconds N] [--seed S] [--runs N] [--events N] [--workers N] [--plant BUG] [--quiet]
          --cluster     whole nodes (store loop, log, apply, placement) in place of the consensus core alone
          --seconds N   fresh seeds until N seconds have passed (default 10, or without end if --runs is given)
          --seed S      the first seed (default: from the clock); the following runs take the following seeds
          --runs N      how many seeds
          --events N    events in the safety phase of a run (default 20000, of a cluster 8000)
          --workers N   worker processes (default: one a core)
          --plant BUG   plants a bug: \(PlantedBug.allCases.map(\.rawValue).joined(separator: ", ")),
                        or in a cluster: \(ClusterBug.allCases.map(\.rawValue).joined(separator: ", "))
          --trace       prints the trace hash of each run
        """

    var seconds = Int.max
    var seed: UInt64?
    var runs = Int.max
    private var chosenEvents: Int?
    var workers: Int?
    /// Names a `ClusterBug` where a cluster is simulated, else a `PlantedBug`.
    var plantedBug: String?
    var simulatesCluster = false
    var printsTraces = false
    /// Only for the processes that this program starts itself: which of the seeds are this worker's.
    var isWorker = false
    var stride: UInt64 = 1

    var events: Int { chosenEvents ?? (simulatesCluster ? 8_000 : 20_000) }

    init(_ arguments: [String]) throws(Malformed) {
        var rest = arguments[...]
        while let name = rest.popFirst() {
            switch name {
            case "--trace": printsTraces = true
            case "--worker": isWorker = true
            case "--cluster": simulatesCluster = true
            default: try set(name, rest.popFirst())
            }
        }
        if seconds == .max && runs == .max { seconds = 10 }
        guard let plantedBug else { return }
        let isKnown =
            simulatesCluster ? ClusterBug(rawValue: plantedBug) != nil : PlantedBug(rawValue: plantedBug) != nil
        if !isKnown { throw Malformed(message: "no bug is called \(plantedBug)") }
    }

    private mutating func set(_ name: String, _ value: String?) throws(Malformed) {
        guard let value else { throw Malformed(message: "\(name) is no option, or misses its value") }
        if name == "--plant" {
            plantedBug = value
            return
        }
        guard let number = UInt64(value), number < UInt64(Int.max) || name == "--seed" else {
            throw Malformed(message: "\(name) takes a number, not \(value)")
        }
        switch name {
        case "--seconds": seconds = Int(number)
        case "--seed": seed = number
        case "--runs": runs = Int(number)
        case "--events": chosenEvents = Int(number)
        case "--workers": workers = Int(number)
        case "--stride": stride = number
        default: throw Malformed(message: "\(name) is no option")
        }
    }
}
