import GrapeRaft

/// What travels between replicas and clients.
enum Envelope {
    case raft(Message)
    case request(MapCommand)
    case reply(Reply)
    case chunk(SnapshotChunk)
    case chunkReceived(SnapshotReceipt)
}

/// A replica's answer to a client.
struct Reply {
    enum Answer {
        case outcome(ReplicatedMap.Outcome)
        case value(UInt64)
        /// Not here; perhaps there.
        case notLeader(ReplicaID)
    }

    var client: UInt16
    var sequence: UInt32
    var answer: Answer
}

/// One piece of a snapshot on its way. The image stands for all pieces: what is in a simulation to be cut up is when it
/// is complete.
struct SnapshotChunk {
    var message: Message
    var image: ReplicatedMap
    var number: Int
    var count: Int
}

/// How many pieces of a snapshot the receiver holds.
struct SnapshotReceipt {
    var from: ReplicaID
    var index: LogIndex
    var received: Int
}

/// What all parts of a run share: time, the queue of events, the network, the checkers and the counters.
struct World {
    var options: SimulationOptions
    var now: UInt64 = 0
    var queue = EventQueue()
    var envelopes = Slab<Envelope>()
    var network: SimulatedNetwork
    var checker = SafetyChecker()
    var coverage = Coverage()
    var trace: TraceHash
    var diskRandom: Xoshiro256
    var raftSeeds: Xoshiro256

    init(_ options: SimulationOptions) {
        self.options = options
        network = SimulatedNetwork(seed: options.seed)
        trace = TraceHash(seed: options.seed)
        diskRandom = Xoshiro256(seed: options.seed, stream: 3)
        raftSeeds = Xoshiro256(seed: options.seed, stream: 4)
    }

    /// Hands an envelope to the network. Places of clients lie behind those of replicas.
    mutating func send(_ envelope: Envelope, from: Int, to: Int) {
        switch network.fate(from: from, to: to, now: now, options.rates, &coverage) {
        case .lost:
            return
        case .arrives(let time):
            deliver(envelope, to, at: time)
        case .arrivesTwice(let first, let second):
            deliver(envelope, to, at: first)
            deliver(envelope, to, at: second)
        }
    }

    private mutating func deliver(_ envelope: Envelope, _ place: Int, at time: UInt64) {
        let payload = envelopes.insert(envelope)
        let isReplica = place < World.replicasMax
        queue.push(
            Event(
                time: time, kind: isReplica ? .deliver : .clientReply,
                target: isReplica ? place : place - World.replicasMax, payload: payload))
    }

    /// Replica ids are never reused, so a run with many moves comes to its end of them.
    static let replicasMax = 48
}
