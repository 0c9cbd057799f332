import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeTestKit

/// What travels between nodes and clients.
enum ClusterEnvelope {
    case messages([GroupMessage], from: NodeNumber)
    case read(ReadExchange, from: NodeNumber)
    case report([UInt8])
    /// Asks a node to propose; `call` is the asker's.
    case proposals([Proposal], call: UInt64, from: Int)
    case results([ProposalResult], call: UInt64)
    /// Asks the leader to hand a group on.
    case transfer(LogGroup, to: ReplicaID)
    case snapshot(SnapshotPart, transfer: UInt64, from: NodeNumber)
    case request(ClientRequest)
    case answer(ClientAnswer)
}

/// What all parts of a run share: time, the queue of events, the network, the checker and the counters.
final class ClusterWorld {
    var options: ClusterOptions
    var now: UInt64 = 0
    var queue = EventQueue()
    var envelopes = Slab<ClusterEnvelope>()
    var network: SimulatedNetwork
    var networkCounts = Coverage()
    var checker = ClusterChecker()
    var coverage = EventCounts<ClusterEvent>()
    var trace: TraceHash
    var diskRandom: Xoshiro256
    var timing: Xoshiro256
    var seeds: Xoshiro256
    /// Found where nothing can be thrown; looked at after every event.
    var violation: Violation?
    /// Where a node number is reached.
    var places: [NodeNumber: Int] = [:]
    /// What a node answers that is asked for its layout; nil where it is down.
    var layoutOfNode: (NodeNumber) -> ClusterLayout? = { _ in nil }

    /// Places of clients lie behind those of nodes.
    static let firstClient = 48

    init(_ options: ClusterOptions) {
        self.options = options
        network = SimulatedNetwork(seed: options.seed)
        trace = TraceHash(seed: options.seed)
        diskRandom = Xoshiro256(seed: options.seed, stream: 3)
        seeds = Xoshiro256(seed: options.seed, stream: 4)
        timing = Xoshiro256(seed: options.seed, stream: 7)
    }

    func note(_ check: Violation.Check, _ detail: @autoclosure () -> String) {
        if violation == nil { violation = Violation(check, detail()) }
    }

    func checking(_ body: () throws(Violation) -> Void) {
        do { try body() } catch { violation = violation ?? error }
    }

    func send(_ envelope: ClusterEnvelope, from: Int, toNode node: NodeNumber) {
        guard let place = places[node] else { return }
        send(envelope, from: from, to: place)
    }

    func send(_ envelope: ClusterEnvelope, from: Int, to: Int) {
        switch network.fate(from: from, to: to, now: now, options.rates, &networkCounts) {
        case .lost: return
        case .arrives(let time): deliver(envelope, to, at: time)
        case .arrivesTwice(let first, let second):
            deliver(envelope, to, at: first)
            deliver(envelope, to, at: second)
        }
    }

    private func deliver(_ envelope: ClusterEnvelope, _ place: Int, at time: UInt64) {
        let payload = envelopes.insert(envelope)
        let isNode = place < Self.firstClient
        queue.push(
            Event(
                time: time, kind: isNode ? .deliver : .clientReply, target: isNode ? place : place - Self.firstClient,
                payload: payload))
    }

    func strikes(_ fault: FaultClass, times: Int = 1) -> Bool {
        diskRandom.chance(millionths: options.rate(fault) * times)
    }
}
