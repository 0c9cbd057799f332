import GrapeRaft

/// A group on a network that a seed makes unreliable, with a watch on everything Raft promises.
struct Group {
    /// What broke, with the seed that shows it again.
    struct Violation: Error, CustomStringConvertible {
        var description: String
    }

    /// Chances in a thousand.
    struct Faults {
        var loss = 0
        var duplication = 0
        var reordering = 0
        var crash = 0
        var confChange = 0
        var compaction = 0
    }

    var replicas: [Replica] = []
    /// Sent and not delivered, oldest first.
    var network: [Message] = []
    var random: RaftRandom
    var faults = Faults()
    let seed: UInt64

    // The watch.
    private var leaders: [Term: ReplicaID] = [:]
    private var history: [LogIndex: Entry] = [:]
    private var statuses: [ReplicaID: (term: Term, commit: LogIndex, applied: LogIndex)] = [:]
    private(set) var commitMax = LogIndex.zero
    private var readsAsked: [ReadContext: LogIndex] = [:]
    private(set) var readsAnswered = 0
    private(set) var crashes = 0
    private(set) var proposals = 0

    init(
        voters: [UInt64], learners: [UInt64] = [], spares: [UInt64] = [], seed: UInt64,
        configure: (inout RaftConfiguration) -> Void = { _ in }
    ) throws {
        self.seed = seed
        random = RaftRandom(seed: seed)
        let confState = ConfState(voters: voters.map { ReplicaID($0) }, learners: learners.map { ReplicaID($0) })
        for id in (voters + learners + spares).sorted() {
            var configuration = RaftConfiguration(id: ReplicaID(id), electionTicks: 10, heartbeatTicks: 2)
            configure(&configuration)
            replicas.append(try Replica(configuration, confState: confState))
        }
    }

    func replica(_ id: ReplicaID) -> Replica? { replicas.first { $0.id == id } }

    var leader: Replica? {
        let leading = replicas.filter { $0.raft.status.role == .leader }
        return leading.max { $0.raft.status.term < $1.raft.status.term }
    }

    mutating func chance(_ thousandths: Int) -> Bool { random.next() % 1000 < UInt64(thousandths) }

    mutating func pick(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }

    // MARK: One event

    /// Something happens somewhere.
    mutating func happen() throws {
        let replica = replicas[pick(replicas.count)]
        switch pick(12) {
        case 0: replica.raft.tick()
        case 1, 2: network += replica.takeReady()
        case 3: if !replica.appendWork.isEmpty { try send(replica.append(), from: replica) }
        case 4: if !replica.applyWork.isEmpty { try apply(replica) }
        case 5: try propose(replica)
        case 6: try read(replica)
        case 7: if chance(faults.crash) { try crash(replica) }
        case 8: if chance(faults.compaction) { try compact(replica) }
        default: try deliver()
        }
        try check(replica)
    }

    mutating func deliver() throws {
        if network.isEmpty { return }
        let position = chance(faults.reordering) ? pick(network.count) : 0
        let message = chance(faults.duplication) ? network[position] : network.remove(at: position)
        if chance(faults.loss) {
            report(message, arrived: false)
        } else {
            try step(message)
        }
    }

    /// The sender of a snapshot is told what became of it.
    private func report(_ message: Message, arrived: Bool) {
        guard message.kind == .snapshot else { return }
        replica(message.from)?.raft.reportSnapshot(message.to, succeeded: arrived)
    }

    /// Delivers what waited for storage: to the replica itself now, to others over the network.
    mutating func send(_ messages: [Message], from replica: Replica) throws {
        for message in messages {
            if message.to == replica.id { try step(message) } else { network.append(message) }
        }
    }

    mutating func step(_ message: Message) throws {
        guard let replica = replica(message.to) else { return }
        do {
            try replica.raft.step(message)
        } catch RaftError.proposalDropped, RaftError.peerNotFound {
            // What a lost or removed sender has to expect.
        } catch {
            throw violation("\(replica.id.rawValue) refuses \(message): \(error)")
        }
        report(message, arrived: true)
        try check(replica)
    }

    mutating func apply(_ replica: Replica) throws {
        var violations: [Violation] = []
        var history: [LogIndex: Entry] = [:]
        swap(&history, &self.history)
        let responses = try replica.apply { entry in
            if entry.index != replica.applied.next { violations.append(violation("gap before \(entry.index)")) }
            if let known = history[entry.index], known != entry {
                violations.append(violation("\(entry.index) applied as \(entry.id) and \(known.id)"))
            }
            history[entry.index] = entry
        }
        self.history = history
        if let violation = violations.first { throw violation }
        try send(responses, from: replica)
    }

    private mutating func propose(_ replica: Replica) throws {
        if chance(faults.confChange) { return try proposeConfChange(replica) }
        proposals += 1
        try? replica.raft.propose([UInt8(truncatingIfNeeded: proposals), UInt8(truncatingIfNeeded: proposals >> 8)])
    }

    /// Any change, sensible or not.
    private mutating func proposeConfChange(_ replica: Replica) throws {
        var steps: [ConfChange.Step] = []
        for _ in 0...pick(2) {
            let id = replicas[pick(replicas.count)].id
            let actions: [ConfChange.Action] = [.addVoter, .addVoter, .addLearner, .remove]
            steps.append(ConfChange.Step(actions[pick(actions.count)], id))
        }
        let transitions: [ConfChange.Transition] = [.auto, .jointImplicit, .jointExplicit]
        let change = chance(300) ? .leaveJoint : ConfChange(steps, transition: transitions[pick(3)])
        try? replica.raft.proposeConfChange(change)
    }

    private mutating func read(_ replica: Replica) throws {
        let context = ReadContext(UInt64(readsAsked.count) + 1)
        readsAsked[context] = commitMax
        try replica.raft.readIndex(context)
    }

    mutating func crash(_ replica: Replica) throws {
        crashes += 1
        try replica.crash()
        statuses[replica.id] = nil
    }

    private func compact(_ replica: Replica) throws {
        let first = try replica.storage.firstIndex()
        if replica.applied > first { try replica.storage.compact(to: replica.applied.previous) }
    }

    // MARK: The watch

    func violation(_ text: String) -> Violation { Violation(description: "seed \(seed): \(text)") }

    mutating func check(_ replica: Replica) throws {
        let status = replica.raft.status
        if let reason = replica.raft.stopReason { throw violation("\(status.id.rawValue) stopped: \(reason)") }
        if status.role == .leader {
            let known = leaders[status.term, default: status.id]
            if known != status.id { throw violation("term \(status.term) led by \(known) and \(status.id)") }
            leaders[status.term] = status.id
        }
        if let before = statuses[status.id] {
            if status.term < before.term || status.commit < before.commit || status.applied < before.applied {
                throw violation("\(status.id.rawValue) fell back from \(before) to \(status)")
            }
        }
        statuses[status.id] = (status.term, status.commit, status.applied)
        commitMax = max(commitMax, status.commit)
        for answer in replica.takeReads() {
            readsAnswered += 1
            guard let least = readsAsked[answer.context] else { throw violation("read \(answer) never asked") }
            if answer.index < least { throw violation("stale read \(answer): \(least.rawValue) was committed before") }
        }
    }

    // MARK: Calm

    /// Everything works for a while; in the end all members of the last configuration must agree.
    mutating func settle() throws {
        faults = Faults()
        for _ in 0..<200 {
            for replica in replicas { replica.raft.tick() }
            try drain()
        }
    }

    /// Works until nothing is left to do anywhere, without any tick.
    mutating func drain() throws {
        for _ in 0..<10_000 {
            for replica in replicas { try work(replica) }
            if network.isEmpty && !replicas.contains(where: { $0.raft.hasReady }) { return }
            while !network.isEmpty { try step(network.removeFirst()) }
        }
        throw violation("no rest")
    }

    private mutating func work(_ replica: Replica) throws {
        while replica.raft.hasReady || !replica.appendWork.isEmpty || !replica.applyWork.isEmpty {
            network += replica.takeReady()
            while !replica.appendWork.isEmpty { try send(replica.append(), from: replica) }
            while !replica.applyWork.isEmpty { try apply(replica) }
        }
        try check(replica)
    }
}
