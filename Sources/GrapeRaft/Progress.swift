/// What a leader knows and assumes about one follower's log, and how it feeds it.
///
/// Invariant: `match < next`. Everything in between is in flight.
package struct Progress: Sendable {
    package enum State: Sendable, Hashable {
        /// The end of the follower's log is unknown: one message at a time, until one is accepted.
        case probe
        /// Messages are sent ahead of their answers, as far as the in-flight window goes.
        case replicate
        /// A snapshot is under way; nothing else is sent.
        case snapshot
    }

    /// The follower's log is known to agree up to here.
    package private(set) var match: LogIndex
    /// The next entry to send.
    package private(set) var next: LogIndex
    /// The highest commit index sent, as far as it may have arrived.
    private var sentCommit = LogIndex.zero
    package private(set) var state = State.probe
    /// The index of the snapshot under way; zero otherwise, or when it is known to have failed.
    package private(set) var pendingSnapshot = LogIndex.zero
    /// Whether the follower was heard of since the last quorum check.
    package var isRecentlyActive: Bool
    /// Set after a message that must be answered, or a heartbeat answered, before the next.
    package private(set) var isFlowPaused = false
    package private(set) var inflights: Inflights
    package var isLearner: Bool

    package init(
        match: LogIndex, next: LogIndex, inflights: Inflights, isLearner: Bool, isRecentlyActive: Bool = false
    ) {
        precondition(match < next, "match \(match.rawValue) must lie below next \(next.rawValue)")
        self.match = match
        self.next = next
        self.inflights = inflights
        self.isLearner = isLearner
        self.isRecentlyActive = isRecentlyActive
    }

    /// Whether not even an empty append may be sent.
    package var isPaused: Bool { state == .snapshot || isFlowPaused }

    /// Whether sending `commit` could move the follower's commit index.
    package func canAdvanceCommit(to commit: LogIndex) -> Bool { commit > sentCommit && sentCommit.next < next }

    // MARK: Transitions

    package mutating func becomeProbe() {
        let afterSnapshot = state == .snapshot ? pendingSnapshot.next : .zero
        enter(.probe)
        setNext(max(match.next, afterSnapshot))
        sentCommit = min(sentCommit, next.previous)
    }

    package mutating func becomeReplicate() {
        enter(.replicate)
        setNext(match.next)
    }

    /// The snapshot carries the commit index, so nothing up to it needs sending.
    package mutating func becomeSnapshot(at index: LogIndex) {
        enter(.snapshot)
        pendingSnapshot = index
        setNext(max(index, match).next)
        sentCommit = index
    }

    /// The snapshot never arrived: probing starts from what was known before.
    package mutating func snapshotFailed() { pendingSnapshot = .zero }

    package mutating func pauseFlow() { isFlowPaused = true }

    package mutating func resumeFlow() { isFlowPaused = false }

    // MARK: Events

    /// An append with `count` entries of `bytes` payload, starting at `next`, was sent.
    package mutating func sentEntries(_ count: Int, bytes: UInt64) {
        switch state {
        case .replicate:
            if count > 0 {
                setNext(next.advanced(by: count))
                inflights.add(lastIndex: next.previous, bytes: bytes)
            }
            isFlowPaused = inflights.isFull
        case .probe:
            if count > 0 { isFlowPaused = true }
        case .snapshot:
            preconditionFailure("append sent while a snapshot at \(pendingSnapshot.rawValue) is under way")
        }
    }

    package mutating func sentCommit(_ commit: LogIndex) { sentCommit = commit }

    /// The follower acknowledged everything up to `index`. False when that was known.
    package mutating func acknowledge(through index: LogIndex) -> Bool {
        if index <= match { return false }
        match = index
        setNext(max(next, index.next))
        isFlowPaused = false
        return true
    }

    package mutating func freeInflights(through index: LogIndex) { inflights.free(through: index) }

    /// The follower refused an append after `rejected` and offers `hint`; it is probed from there on. False when the
    /// refusal is out of date.
    package mutating func retreat(rejected: LogIndex, hint: LogIndex) -> Bool {
        if state == .replicate {
            if rejected <= match { return false }
            becomeProbe()
            return true
        }
        // Probes go out one at a time, so a refusal of anything but the last one is old.
        if next.previous != rejected { return false }
        setNext(max(min(rejected, hint.next), match.next))
        sentCommit = min(sentCommit, next.previous)
        isFlowPaused = false
        return true
    }

    private mutating func enter(_ state: State) {
        isFlowPaused = false
        pendingSnapshot = .zero
        self.state = state
        inflights.reset()
    }

    private mutating func setNext(_ index: LogIndex) {
        precondition(match < index, "match \(match.rawValue) must lie below next \(index.rawValue)")
        next = index
    }
}
