import GrapeRaft

/// Everything that one run is made of, all drawn from its seed.
package struct SimulationOptions: Sendable, CustomStringConvertible {
    package let seed: UInt64
    /// How many events the safety phase lasts.
    package var events: Int
    package var plantedBug: PlantedBug?
    package private(set) var rates: FaultRates

    package let voters: Int
    package let clients: Int
    package let keys: Int
    /// Operations that one client has open at a time; the replicated table keeps as many results for each.
    package let window: Int
    package let electionTicks: Int
    package let heartbeatTicks: Int
    package let messageBytesMax: UInt64
    package let inflightMessagesMax: Int
    package let uncommittedBytesMax: UInt64
    package let stepDownOnRemoval: Bool
    package let forwardsProposals: Bool
    /// Log entries kept behind the durable applied index.
    package let keptEntries: Int
    package let snapshotChunks: Int
    /// A replica takes in several events before it carries out what they bring, as a busy store loop does.
    package let batchesTurns: Bool

    package init(seed: UInt64, events: Int = 20_000, plantedBug: PlantedBug? = nil) {
        self.seed = seed
        self.events = events
        self.plantedBug = plantedBug
        var random = Xoshiro256(seed: seed, stream: 1)
        rates = FaultRates(using: &random)
        // In one run of eight elections never rest.
        if random.below(8) == 0 {
            for fault: FaultClass in [.crash, .crashAtStorageCallback, .delay, .lostWrites, .transfer] {
                rates[fault] = min(1_000_000, fault.rateMax * 4)
            }
        }
        voters = [1, 2, 3, 3, 3, 3, 4, 5, 5][random.below(9)]
        clients = random.within(2...6)
        keys = random.within(1...6)
        window = random.within(1...4)
        heartbeatTicks = random.within(1...2)
        electionTicks = random.within((heartbeatTicks + 1)...12)
        messageBytesMax = [0, 100, 1_000, .max][random.below(4)]
        inflightMessagesMax = [1, 4, 64][random.below(3)]
        uncommittedBytesMax = [200, 2_000, .max][random.below(3)]
        stepDownOnRemoval = random.below(2) == 0
        forwardsProposals = random.below(2) == 0
        keptEntries = random.within(1...30)
        snapshotChunks = random.within(1...6)
        batchesTurns = random.below(2) == 0
    }

    package func rate(_ fault: FaultClass) -> Int { rates[fault] }

    /// The same run without any faults from here on.
    mutating func heal() { rates = FaultRates() }

    package mutating func set(_ fault: FaultClass, millionths: Int) { rates[fault] = millionths }

    package var replayCommand: String {
        let plant = plantedBug.map { " --plant \($0.rawValue)" } ?? ""
        return "grape-simulate --seed \(seed) --runs 1 --events \(events)\(plant)"
    }

    package var description: String {
        """
        voters=\(voters) clients=\(clients) keys=\(keys) window=\(window) election=\(electionTicks) \
        heartbeat=\(heartbeatTicks) messageBytes=\(messageBytesMax) inflight=\(inflightMessagesMax) \
        uncommitted=\(uncommittedBytesMax) stepDown=\(stepDownOnRemoval) forward=\(forwardsProposals) \
        kept=\(keptEntries) chunks=\(snapshotChunks) batches=\(batchesTurns); faults per million: \(rates)
        """
    }

    func raftConfiguration(_ id: ReplicaID, applied: LogIndex) -> RaftConfiguration {
        var configuration = RaftConfiguration(id: id, electionTicks: electionTicks, heartbeatTicks: heartbeatTicks)
        configuration.applied = applied
        configuration.messageBytesMax = messageBytesMax
        // Without a bound of its own, hand-out would go one entry at a time with the messages.
        configuration.applyingBytesMax = 1_000
        configuration.inflightMessagesMax = inflightMessagesMax
        configuration.uncommittedBytesMax = uncommittedBytesMax
        configuration.stepDownOnRemoval = stepDownOnRemoval
        configuration.disableProposalForwarding = !forwardsProposals
        return configuration
    }
}
