import GrapeCluster
import GrapeTestKit

/// Everything that one run of a cluster is made of, all drawn from its seed.
package struct ClusterOptions: Sendable, CustomStringConvertible {
    package let seed: UInt64
    /// How many events the safety phase lasts.
    package var events: Int
    package var plantedBug: ClusterBug?
    package private(set) var rates: FaultRates

    package let founders: Int
    package let shards: Int
    package let replicaCount: Int
    package let clients: Int
    package let keys: Int
    package let electionTicks: Int
    package let heartbeatTicks: Int
    package let keptEntries: Int
    package let compactionStep: Int
    package let sparedBytes: Int
    package let appendEntriesMax: Int
    package let uncommittedBytesMax: UInt64
    /// Longer commands travel in pieces.
    package let entryBytesMax: Int
    /// A node takes in several events before it turns, as a busy one does.
    package let batchesTurns: Bool
    /// Ticks between two turns of the driver of placement.
    package let driverTicks: Int
    /// Now and then a disk forgets what it had said to be durable.
    package let losesLogs: Bool
    /// Millionths of simulated milliseconds in which a disk fills up.
    package private(set) var fullDiskRate: Int
    /// At the end the others must answer everything while one node stays down.
    package let endsWithNodeDown: Bool

    /// Nodes that there may ever be, those that were wiped counted again.
    package static let placesMax = 24

    package init(seed: UInt64, events: Int = 8_000, plantedBug: ClusterBug? = nil) {
        self.seed = seed
        self.events = events
        self.plantedBug = plantedBug
        var random = Xoshiro256(seed: seed, stream: 1)
        rates = FaultRates(using: &random)
        for (fault, factor) in Self.factors { rates[fault] *= factor }
        founders = [1, 3, 3, 3, 3, 4, 5][random.below(7)]
        shards = random.within(1...3)
        replicaCount = [1, 3, 3, 3, 3][random.below(5)]
        clients = random.within(2...5)
        keys = random.within(1...6)
        heartbeatTicks = random.within(1...3)
        electionTicks = random.within((2 * heartbeatTicks + 2)...16)
        keptEntries = random.within(0...40)
        compactionStep = random.within(1...20)
        appendEntriesMax = [1, 3, 100][random.below(3)]
        uncommittedBytesMax = [1_000, 32 << 20][random.below(2)]
        entryBytesMax = [200, 256 << 10, 256 << 10][random.below(3)]
        batchesTurns = random.below(2) == 0
        driverTicks = random.within(3...15)
        losesLogs = founders >= 3 && replicaCount >= 3 && random.below(3) == 0
        fullDiskRate = random.below(3) == 0 ? 4_000 : 0
        endsWithNodeDown = founders >= 3 && replicaCount >= 3 && random.below(2) == 0
        sparedBytes = [20, 500, 5_000, 1 << 20][random.below(4)]
    }

    /// A run of whole nodes is shorter than one of the core alone, and bears more: some faults come so much more often.
    private static let factors: [(FaultClass, Int)] = [
        (.crash, 5), (.crashAtStorageCallback, 4), (.pause, 3), (.clockRate, 3), (.oneWayCut, 3), (.partition, 3),
        (.transfer, 3),
    ]

    package func rate(_ fault: FaultClass) -> Int { rates[fault] }

    /// The same run without any faults from here on.
    mutating func heal() {
        rates = FaultRates()
        fullDiskRate = 0
    }

    package mutating func set(_ fault: FaultClass, millionths: Int) { rates[fault] = millionths }

    package var replayCommand: String {
        let plant = plantedBug.map { " --plant \($0.rawValue)" } ?? ""
        return "grape-simulate --cluster --seed \(seed) --runs 1 --events \(events)\(plant)"
    }

    package var description: String {
        """
        founders=\(founders) shards=\(shards) replicas=\(replicaCount) clients=\(clients) keys=\(keys) \
        election=\(electionTicks) heartbeat=\(heartbeatTicks) kept=\(keptEntries) step=\(compactionStep) spared=\(sparedBytes) \
        append=\(appendEntriesMax) uncommitted=\(uncommittedBytesMax) entry=\(entryBytesMax) batches=\(batchesTurns) \
        driver=\(driverTicks) losesLogs=\(losesLogs) fullDisks=\(fullDiskRate) endsWithNodeDown=\(endsWithNodeDown); \
        faults per million: \(rates)
        """
    }

    func settings(seed: UInt64) -> StoreLoopSettings {
        var settings = StoreLoopSettings(seed: seed)
        settings.electionTicks = electionTicks
        settings.heartbeatTicks = heartbeatTicks
        settings.keptEntries = keptEntries
        settings.compactionStep = compactionStep
        settings.sparedBytes = sparedBytes
        settings.appendEntriesMax = appendEntriesMax
        settings.uncommittedBytesMax = uncommittedBytesMax
        return settings
    }
}
