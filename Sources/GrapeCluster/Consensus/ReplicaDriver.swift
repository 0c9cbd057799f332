import GrapeEngine
import GrapeModel
import GrapeRaft

/// One replica in the store loop: the Raft core, its log, and who waits for what was proposed here.
///
/// Owned by the store loop.
package final class ReplicaDriver {
    package let store: RaftLogStore
    package var group: LogGroup { store.group }
    package let id: ReplicaID
    /// It may have lost what it acknowledged (RAFT.md 7): it takes no part.
    package let isLost: Bool
    package internal(set) var raft: Raft<RaftLogStore>
    private var hasStopped = false
    /// Rows of a snapshot are being switched to: nothing is taken until that is done.
    private var installing: SnapshotImage?
    private var responsesOfInstall: [Message] = []
    private var hardStateOfInstall = HardState()
    /// Rows that lie ready and were shown to the core.
    private var offered: SnapshotImage?
    /// What the core hears when works that are handed out are applied, in their order.
    private var applyResponses: [Message] = []
    private var proposals = OwnProposals()
    /// The turn whose sync covers everything that must be durable here.
    var ticket: UInt64 = 0
    /// The turn whose sync covers the last change of configuration that was applied here.
    private(set) var configurationTicket: UInt64 = 0
    /// Ticks until this replica asks for votes because the leader's node is gone.
    private var campaignIn: Int?
    private var lastGlance: RaftGlance
    /// As leader with a committed entry of its term.
    private var canServe = false
    var readQuorumMade: ReadQuorum?
    /// The highest commit index that a leader has spoken of.
    private var heardCommit = RaftIndex.zero
    /// Ticks since a leader was heard of and everything committed was applied.
    private(set) var staleTicks = 0
    package private(set) var elections: UInt64 = 0
    package private(set) var leaderChanges: UInt64 = 0
    package private(set) var failedProposals: UInt64 = 0

    init(
        _ id: ReplicaID, _ store: RaftLogStore, _ settings: StoreLoopSettings, isLost: Bool
    ) throws(RaftError) {
        self.id = id
        self.store = store
        self.isLost = isLost
        raft = try Raft(
            settings.raft(id, applied: store.applied.index), storage: store,
            random: RaftRandom(seed: settings.seed ^ id.rawValue &* 0x9E37_79B9_7F4A_7C15))
        lastGlance = raft.glance
    }

    /// Whether it takes events.
    var isRunning: Bool { !isLost && !hasStopped && installing == nil }
    /// Whether what it handed out still counts; also while rows of a snapshot are being switched to.
    var takesResults: Bool { !isLost && !hasStopped }
    package var isInstalling: Bool { installing != nil }
    var hasOffer: Bool { offered != nil }
    package var appliedIndex: RaftIndex { store.applied.index }

    // MARK: Events

    func tick() {
        raft.tick()
        let glance = raft.glance
        staleTicks = glance.role == .leader ? 0 : staleTicks + 1
        guard let ticks = campaignIn else { return }
        campaignIn = ticks > 1 ? ticks - 1 : nil
        if campaignIn == nil, glance.leader == .none { try? raft.campaign() }
    }

    /// The only voter need not wait for anybody.
    func campaignIfAlone() {
        guard isRunning, store.confState.voters == [id], store.confState.votersOutgoing.isEmpty else { return }
        try? raft.campaign()
    }

    /// Whether another node may send this here. Proposals are made where the leader is. A snapshot comes with its rows,
    /// by `offer`: a message alone would make the core believe that they are here.
    func accepts(_ message: Message, from node: NodeNumber) -> Bool {
        if message.kind.isLocal || message.kind == .propose || message.kind == .snapshot { return false }
        return message.to == id && message.from != id && message.from.node == node
    }

    func receive(_ message: Message) {
        step(message)
        guard message.kind == .append || message.kind == .heartbeat, raft.glance.leader == message.from else { return }
        heardCommit = max(heardCommit, message.commit)
        if heardCommit <= appliedIndex { staleTicks = 0 }
    }

    /// Refusals are normal: late answers, old terms. A reason to stop shows in `takeStop`.
    func step(_ message: Message) { try? raft.step(message) }

    /// Voters ask for votes one after another, in an order that differs from group to group, so that they seldom split.
    func suspectLeader(on node: NodeNumber) {
        let glance = raft.glance
        guard glance.role == .follower, glance.leader.node == node, glance.leader != .none else { return }
        try? raft.forgetLeader()
        let voters = raft.status.confState.voters.filter { $0.node != node }
        guard let place = voters.firstIndex(of: id) else { return }
        let rank = (place + Int(group.number % 64)) % voters.count
        campaignIn = 1 + 3 * rank
    }

    // MARK: Proposals

    /// -> why it was not proposed; nil where it was.
    func propose(_ entry: [UInt8], _ token: Token) -> ProposalResult? {
        proposing(token) { raft throws(RaftError) in try raft.propose(entry) }
    }

    func propose(_ change: ConfChange, _ token: Token) -> ProposalResult? {
        proposing(token) { raft throws(RaftError) in try raft.proposeConfChange(change) }
    }

    private func proposing(
        _ token: Token, _ body: (inout Raft<RaftLogStore>) throws(RaftError) -> Void
    ) -> ProposalResult? {
        let glance = raft.glance
        guard glance.role == .leader else {
            return .notLeader(glance.leader == .none ? nil : glance.leader.node)
        }
        do {
            try body(&raft)
        } catch {
            failedProposals += 1
            guard raft.status.transferee == .none else { return .notLeader(nil) }
            return .refused(
                GrapeError(.overloaded, "group \(group.number) takes no more writes for now", retryAfterSeconds: 1))
        }
        proposals.add(token, at: raft.glance.lastIndex, term: glance.term)
        return nil
    }

    func transferLeadership(to replica: ReplicaID) { try? raft.transferLeadership(to: replica) }

    func takeAllProposals() -> [Token] { proposals.takeAll() }

    // MARK: What the core says

    /// -> whether there is something that others should see at once: who leads, and whether it can serve.
    func observe(_ ready: Ready) -> Bool {
        guard ready.softState != nil || ready.hardState != nil else { return false }
        let glance = raft.glance
        let couldServe = canServe
        canServe = raft.hasCommittedInTerm
        if glance.role == .leader, lastGlance.role != .leader { elections += 1 }
        if glance.leader != lastGlance.leader, glance.leader != .none { leaderChanges += 1 }
        lastGlance = glance
        return ready.softState != nil || couldServe != canServe
    }

    /// Committed entries as apply takes them.
    func handOut(_ message: Message) -> [CommittedEntry] {
        applyResponses += message.responses
        return message.entries.map(committed)
    }

    /// A committed entry as apply takes it. Changes of configuration take effect in the core here: they are committed,
    /// and what comes after them is handed out later.
    private func committed(_ entry: Entry) -> CommittedEntry {
        var content = CommittedEntry.Content.empty
        if entry.isConfChange {
            if let change = try? ConfChange(decoding: entry), let state = try? raft.applyConfChange(change) {
                content = .configuration(state.encoded)
            }
        } else if !entry.data.isEmpty {
            content = .command(entry.data)
        }
        return CommittedEntry(
            group: group, index: GrapeModel.LogIndex(entry.index.rawValue), term: entry.term.rawValue, content: content)
    }

    /// The entries are applied. -> who hears of them.
    ///
    /// Rows of a snapshot may be on their way: they overtake these entries, whose outcomes count all the same, and the
    /// core must have its room for work back.
    func applied(_ entries: [CommittedEntry], _ outcomes: [ApplyOutcome]) -> [(token: Token, result: ProposalResult)] {
        guard let last = entries.last, !applyResponses.isEmpty else { return [] }
        step(applyResponses.removeFirst())
        var confState: ConfState?
        for entry in entries {
            if case .configuration(let bytes) = entry.content { confState = ConfState(encoded: bytes) ?? confState }
        }
        store.noteApplied(
            EntryID(term: Term(last.term), index: RaftIndex(last.index.rawValue)), confState: confState)
        let answers = proposals.settle(entries, outcomes)
        for case (_, .lost) in answers { failedProposals += 1 }
        return answers
    }

    /// A change of configuration was applied; the sync with this ticket brings it to the disk.
    func noteConfiguration(_ ticket: UInt64) { configurationTicket = ticket }

    /// Why the core ended, once.
    func takeStop() -> String? {
        guard !hasStopped, let reason = raft.stopReason else { return nil }
        hasStopped = true
        return "\(reason)"
    }

    // MARK: Snapshots

    /// Steps the message of a snapshot whose rows lie ready. Whether the core takes it shows in its next `Ready`.
    func offer(_ image: SnapshotImage, from sender: ReplicaID, term: Term) {
        guard let confState = ConfState(encoded: image.state.configuration) else { return }
        offered = image
        let snapshot = GrapeRaft.Snapshot(
            term: Term(image.state.appliedTerm), index: RaftIndex(image.state.applied.rawValue), confState: confState)
        step(Message(.snapshot, from: sender, to: id, term: term, snapshot: snapshot))
    }

    func withdrawOffer() { offered = nil }

    /// The core took the snapshot. -> the switch to carry out, before which the replica says and takes nothing more.
    func beginInstall(_ ready: Ready) -> ApplyWork? {
        guard let snapshot = ready.snapshot, let image = offered,
            image.state.applied.rawValue == snapshot.index.rawValue
        else { return nil }
        offered = nil
        installing = image
        responsesOfInstall = ready.messages.first { $0.to == .appendThread }?.responses ?? []
        var state = ready.hardState ?? store.hardState
        state.commit = max(state.commit, snapshot.index)
        hardStateOfInstall = state
        return .install(image, replica: id, hardState: state)
    }

    /// The switch is durable. -> what may be said now, and proposals that nobody can tell of any more.
    func endInstall() -> (responses: [Message], lost: [Token]) {
        guard let image = installing else { return ([], []) }
        installing = nil
        let end = EntryID(term: Term(image.state.appliedTerm), index: RaftIndex(image.state.applied.rawValue))
        store.restart(
            at: end, hardState: hardStateOfInstall,
            confState: ConfState(encoded: image.state.configuration) ?? ConfState())
        defer { responsesOfInstall = [] }
        return (responsesOfInstall, proposals.take(through: end.index))
    }
}
