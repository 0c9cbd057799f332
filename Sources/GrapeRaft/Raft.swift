/// One replica of a Raft group as a value: no clock, no I/O, no randomness of its own.
///
/// The protocol is that of "In Search of an Understandable Consensus Algorithm" (Ongaro, Ousterhout, extended version)
/// and of Ongaro's thesis for pre-vote (9.6), leadership transfer (3.10), joint membership changes (4.3) and quorum
/// reads (6.4). In behaviour it is etcd/raft v3.7.0 with asynchronous storage writes, message by message, except:
/// 1. A message that no correct replica can have sent is refused with an error. Where the model panics on what it is
///    told, this replica stops: it says nothing any more and names the reason in `stopReason`.
/// 2. A second leader in one term stops the replica.
/// 3. Reads wait for a committed entry of the current term also where one voter decides alone.
///
/// The owner calls one method for each event (`tick`, `step`, `propose`, ...), then takes a `Ready` and carries it out.
///
/// Invariants, asserted in release builds too: term, commit and applied index never fall; committed entries are never
/// replaced; each index is handed out for applying once; a follower's match stays below its next; at most one
/// configuration change is unapplied (unless validation is disabled).
package struct Raft<Storage: RaftStorage> {
    package let id: ReplicaID
    let configuration: RaftConfiguration

    // Persistent, with the log.
    private(set) var term = Term.zero
    var vote = ReplicaID.none
    var log: RaftLog<Storage>

    // The group.
    private(set) var role = Role.follower
    private(set) var leader = ReplicaID.none
    /// Who was seen to lead in `term`, kept when the leader is forgotten.
    private var leaderOfTerm = ReplicaID.none
    var table: ReplicaTable
    var isLearner = false

    // Leader only.
    var transferee = ReplicaID.none
    /// No configuration change is accepted before this index is applied.
    /// Invariant: at or past the newest change in the log.
    var pendingConfIndex = LogIndex.zero
    /// Payload bytes proposed and not yet applied; at most the truth, never more.
    var uncommittedBytes: UInt64 = 0
    var reads = ReadQueue()
    /// Reads that came before this leader committed in its term.
    var earlyReads: [Message] = []

    // Timers.
    var electionElapsed = 0
    var heartbeatElapsed = 0
    private(set) var electionTimeout = 0
    private var random: RaftRandom

    // Output.
    /// May leave at once.
    var messages: [Message] = []
    /// Must wait until everything accumulated so far is durable; may be addressed to this replica.
    var messagesAfterAppend: [Message] = []
    var readStates: [ReadState] = []
    var lastSoftState = SoftState(leader: .none, role: .follower)
    var lastHardState = HardState()
    /// What `advance` steps, when storage writes are synchronous.
    var stepsOnAdvance: [Message] = []
    package private(set) var stopReason: StopReason?

    /// Starts a replica from what storage holds, for the first time or after a restart.
    package init(
        _ configuration: RaftConfiguration, storage: Storage, random: RaftRandom
    ) throws(RaftError) {
        if let flaw = configuration.flaw { throw .invalidStart(flaw) }
        id = configuration.id
        self.configuration = configuration
        self.random = random
        log = try RaftLog(
            storage: storage, applyingBytesMax: configuration.applyingBytesMax ?? configuration.messageBytesMax)
        table = ReplicaTable(
            inflightMessagesMax: configuration.inflightMessagesMax, inflightBytesMax: configuration.inflightBytesMax)
        let initial = try reading { () throws(RaftStorageError) in try storage.initialState() }
        do {
            table = try table.restoring(initial.confState, lastIndex: log.lastIndex)
        } catch {
            throw .confChange(error)
        }
        _ = try adopt(table)
        try load(initial.hardState)
        becomeFollower(term: term, leader: .none)
        lastSoftState = SoftState(leader: leader, role: role)
        lastHardState = hardState
    }

    private mutating func load(_ state: HardState) throws(RaftError) {
        if !state.isEmpty {
            if state.commit > log.lastIndex || state.term > Limits.termMax {
                let end = "log ends at \(log.lastIndex.rawValue)"
                throw .invalidStart("commit \(state.commit.rawValue) of term \(state.term.rawValue), \(end)")
            }
            // It may lie before the log's start: what is compacted was committed, and commit alone is never synced.
            log.advanceCommit(to: state.commit)
            term = state.term
            vote = state.vote
        }
        let applied = configuration.applied
        if applied == .zero { return }
        if applied < log.applied || applied > log.lastIndex {
            throw .invalidStart("applied \(applied.rawValue), log ends at \(log.lastIndex.rawValue)")
        }
        // What is applied was committed, even if the commit index was never made durable.
        log.advanceCommit(to: applied)
        log.advanceApplied(to: applied, bytes: 0)
    }

    var softState: SoftState { SoftState(leader: leader, role: role) }

    var hardState: HardState { HardState(term: term, vote: vote, commit: log.committed) }

    // MARK: Roles

    mutating func becomeFollower(term: Term, leader: ReplicaID) {
        reset(term: term)
        role = .follower
        if leader != .none { setLeader(leader) }
    }

    mutating func becomePreCandidate() {
        precondition(role != .leader, "a leader cannot become a pre-candidate")
        // Neither term nor vote change: nobody is to be disturbed by a lost pre-election.
        table.resetVotes()
        leader = .none
        role = .preCandidate
    }

    mutating func becomeCandidate() {
        precondition(role != .leader, "a leader cannot become a candidate")
        reset(term: term.next)
        vote = id
        role = .candidate
    }

    mutating func becomeLeader() {
        precondition(role != .follower, "a follower cannot become a leader")
        reset(term: term)
        setLeader(id)
        role = .leader
        if let slot = table.slot(of: id) {
            table.peers[slot].progress.becomeReplicate()
            table.peers[slot].progress.isRecentlyActive = true
        }
        // Some entry up to here may be a configuration change; waiting for all of them is cheaper than looking.
        pendingConfIndex = log.lastIndex
        var empty = [Entry()]
        let accepted = appendAsLeader(&empty)
        precondition(accepted, "the empty entry of a new leader weighs nothing and is never dropped")
    }

    private mutating func reset(term newTerm: Term) {
        precondition(
            newTerm >= term || configuration.trustsMessages,
            "term falls from \(term.rawValue) to \(newTerm.rawValue)")
        if term != newTerm {
            term = newTerm
            vote = .none
            leaderOfTerm = .none
        }
        leader = .none
        electionElapsed = 0
        heartbeatElapsed = 0
        electionTimeout = configuration.electionTicks + random.next(below: configuration.electionTicks)
        transferee = .none
        table.resetVotes()
        resetProgress()
        pendingConfIndex = .zero
        uncommittedBytes = 0
        reads = ReadQueue()
    }

    private mutating func resetProgress() {
        for slot in table.peers.indices {
            let isSelf = table.peers[slot].id == id
            table.peers[slot].progress = Progress(
                match: isSelf ? log.lastIndex : .zero, next: log.lastIndex.next, inflights: table.emptyInflights(),
                isLearner: table.peers[slot].progress.isLearner)
        }
    }

    // MARK: One leader a term

    /// Follows `newLeader` in the current term.
    mutating func setLeader(_ newLeader: ReplicaID) {
        precondition(
            leaderOfTerm == .none || leaderOfTerm == newLeader || configuration.trustsMessages,
            "term \(term.rawValue) has leaders \(leaderOfTerm.rawValue) and \(newLeader.rawValue)")
        leaderOfTerm = newLeader
        leader = newLeader
    }

    /// Takes `sender` for the leader without proof that it leads.
    mutating func presumeLeader(_ sender: ReplicaID) { leader = sender }

    mutating func forgetCurrentLeader() { leader = .none }

    /// Called with every message that only the leader of the current term sends, before it has any effect.
    func checkOneLeader(_ sender: ReplicaID) throws(RaftError) {
        if leaderOfTerm == .none || leaderOfTerm == sender || configuration.trustsMessages { return }
        throw .stopped(.twoLeaders(term: term, first: leaderOfTerm, second: sender))
    }

    // MARK: Stopping and tests

    /// Notes why the replica ends. What is still to be sent is dropped: it may rest on what proved wrong.
    mutating func noteStop(_ error: RaftError) {
        guard case .stopped(let reason) = error, stopReason == nil else { return }
        stopReason = reason
        messages = []
        messagesAfterAppend = []
        stepsOnAdvance = []
        readStates = []
    }

    /// Replaces the drawn election timeout until the next change of role.
    package mutating func setElectionTimeout(_ ticks: Int) {
        precondition(ticks > 0, "election timeout of \(ticks) ticks")
        electionTimeout = ticks
    }
}
