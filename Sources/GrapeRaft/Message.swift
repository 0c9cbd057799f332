/// Everything that replicas, storage threads and timers say to a replica. The raw values are the wire form.
package enum MessageKind: UInt8, Sendable, CaseIterable {
    /// Local: start an election.
    case hup = 0
    /// Local: the leader's heartbeat timer fired.
    case beat = 1
    case propose = 2
    case append = 3
    case appendResponse = 4
    case vote = 5
    case voteResponse = 6
    case snapshot = 7
    case heartbeat = 8
    case heartbeatResponse = 9
    /// Local: the transport could not reach a replica.
    case unreachable = 10
    /// Local: the fate of a snapshot that was sent.
    case snapshotStatus = 11
    /// Local: the leader's quorum timer fired.
    case checkQuorum = 12
    case transferLeader = 13
    case timeoutNow = 14
    case readIndex = 15
    case readIndexResponse = 16
    case preVote = 17
    case preVoteResponse = 18
    /// To the append thread: make this durable, then deliver the responses.
    case storageAppend = 19
    case storageAppendResponse = 20
    /// To the apply thread: apply these entries, then deliver the responses.
    case storageApply = 21
    case storageApplyResponse = 22
    /// Local: forget the leader, so that an election may follow.
    case forgetLeader = 23

    /// Whether the kind never legitimately comes from another node.
    package var isLocal: Bool {
        switch self {
        case .hup, .beat, .unreachable, .snapshotStatus, .checkQuorum: true
        case .storageAppend, .storageAppendResponse, .storageApply, .storageApplyResponse: true
        default: false
        }
    }

    /// Whether the kind answers something, so that only a known replica can send it.
    package var isResponse: Bool {
        switch self {
        case .appendResponse, .voteResponse, .heartbeatResponse, .unreachable, .readIndexResponse: true
        case .preVoteResponse, .storageAppendResponse, .storageApplyResponse: true
        default: false
        }
    }
}

/// One message. A flat record, as on the wire; each kind uses the fields that its doc names.
///
/// * `append`: `logTerm`/`index` name the entry before `entries`; `commit` is the leader's commit index.
/// * `appendResponse`: `index` is the last index acknowledged, or, with `reject`, the index refused;
///   `rejectHint`/`logTerm` say where the logs may still agree.
/// * `vote`, `preVote`: `logTerm`/`index` name the candidate's last entry; `isTransfer` when the old leader asked.
/// * `heartbeat` and its response: `commit`; `context` is the position of the newest read the round covers (0: none).
/// * `readIndex` and its response: `context` is the reader's `ReadContext`; the response's `index` is the read index.
/// * `storageAppend`: `entries`, `snapshot` and `hardState` must be durable before `responses` are delivered.
/// * `storageApply`: `entries` must be applied before `responses` are delivered.
package struct Message: Sendable, Equatable {
    package var kind: MessageKind
    package var from: ReplicaID
    package var to: ReplicaID
    /// Zero for messages outside any term: proposals, reads, and what comes from this node.
    package var term: Term
    package var logTerm: Term
    package var index: LogIndex
    package var commit: LogIndex
    package var vote: ReplicaID
    package var reject: Bool
    package var isTransfer: Bool
    package var rejectHint: LogIndex
    package var context: UInt64
    package var entries: [Entry]
    package var snapshot: Snapshot?
    /// What to deliver when storage is done. Only in messages to a local thread.
    package var responses: [Message]

    package init(
        _ kind: MessageKind, from: ReplicaID = .none, to: ReplicaID = .none, term: Term = .zero,
        logTerm: Term = .zero, index: LogIndex = .zero, commit: LogIndex = .zero, vote: ReplicaID = .none,
        reject: Bool = false, isTransfer: Bool = false, rejectHint: LogIndex = .zero, context: UInt64 = 0,
        entries: [Entry] = [], snapshot: Snapshot? = nil, responses: [Message] = []
    ) {
        self.kind = kind
        self.from = from
        self.to = to
        self.term = term
        self.logTerm = logTerm
        self.index = index
        self.commit = commit
        self.vote = vote
        self.reject = reject
        self.isTransfer = isTransfer
        self.rejectHint = rejectHint
        self.context = context
        self.entries = entries
        self.snapshot = snapshot
        self.responses = responses
    }

    /// The hard state that a `storageAppend` asks to persist, or nil if it has not changed.
    package var hardState: HardState? {
        guard kind == .storageAppend else { return nil }
        let state = HardState(term: term, vote: vote, commit: commit)
        return state.isEmpty ? nil : state
    }
}
