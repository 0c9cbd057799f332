import GrapeRaft

/// A single replica as partner of a dialogue: a test plays everyone else.
extension Replica {
    /// A replica with an empty log in a group of voters `1...count`.
    static func fresh(
        _ id: UInt64 = 1, voters count: UInt64 = 3, configure: (inout RaftConfiguration) -> Void = { _ in }
    ) throws -> Replica {
        var configuration = RaftConfiguration(id: ReplicaID(id), electionTicks: 10, heartbeatTicks: 1)
        configuration.preVote = false
        configuration.checkQuorum = false
        configure(&configuration)
        return try Replica(configuration, confState: ConfState(voters: (1...count).map { ReplicaID($0) }))
    }

    /// A replica whose durable log holds entries of these terms from index 3 on (index 2 of term 1 is compacted).
    static func holding(
        terms: [UInt64], id: UInt64 = 1, voters: UInt64 = 3, term: UInt64? = nil,
        configure: (inout RaftConfiguration) -> Void = { _ in }
    ) throws -> Replica {
        let replica = try fresh(id, voters: voters, configure: configure)
        var entries: [Entry] = []
        for (offset, term) in terms.enumerated() {
            entries.append(Entry(term: Term(term), index: LogIndex(UInt64(offset) + 3)))
        }
        try replica.storage.append(entries)
        replica.storage.setHardState(HardState(term: Term(term ?? terms.last ?? 1), commit: LogIndex(2)))
        try replica.crash()
        return replica
    }

    /// Carries out everything there is to do here and returns what goes to others.
    @discardableResult
    func drain() throws -> [Message] {
        var outgoing: [Message] = []
        while raft.hasReady || !appendWork.isEmpty || !applyWork.isEmpty {
            var done = takeReady()
            while !appendWork.isEmpty { done += try append() }
            while !applyWork.isEmpty { done += try apply { _ in } }
            for message in done {
                if message.to == id { try raft.step(message) } else { outgoing.append(message) }
            }
        }
        return outgoing
    }

    /// Says something to the replica and returns its answers.
    @discardableResult
    func hear(_ message: Message) throws -> [Message] {
        var addressed = message
        addressed.to = id
        try raft.step(addressed)
        return try drain()
    }

    /// Makes the replica leader of a new term by the votes of replicas 2 and up; returns what the leader says first.
    @discardableResult
    func elect() throws -> [Message] {
        try raft.campaign()
        var said = try drain()
        let term = raft.status.term
        for voter in raft.status.confState.voters where voter != id && raft.status.role != .leader {
            said = try hear(Message(.voteResponse, from: voter, term: term))
        }
        return said
    }

    /// A follower's acknowledgement in the current term.
    func acknowledge(_ follower: UInt64, _ index: UInt64) throws -> [Message] {
        try hear(
            Message(.appendResponse, from: ReplicaID(follower), term: raft.status.term, index: LogIndex(index)))
    }

    /// The terms in the durable log from index 3 on.
    func storedTerms() throws -> [UInt64] {
        let last = try storage.lastIndex()
        if last < LogIndex(3) { return [] }
        return try storage.entries(from: LogIndex(3), to: last.next, sizeMax: .max).map(\.term.rawValue)
    }
}

extension RaftRandom {
    mutating func number(_ bound: UInt64) -> UInt64 { next() % bound }

    mutating func isLucky(_ chance: UInt64, in total: UInt64) -> Bool { next() % total < chance }
}
