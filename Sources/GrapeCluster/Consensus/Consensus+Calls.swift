import GrapeEngine
import GrapeModel
import GrapeRaft
import Synchronization

/// What writers, readers, other nodes and operators call, from any thread.
extension Consensus {
    // MARK: Writes

    /// Proposes entries to the groups that this node leads. -> what became of each, at the deadline `.unknown` of those
    /// without an answer.
    package func propose(
        _ proposals: [Proposal], deadline: ContinuousClock.Instant
    ) async -> [ProposalResult] {
        let bytes = proposals.reduce(0) { $0 + $1.entry.count }
        let began = ContinuousClock.now
        let results = await call(proposals.count, bytes: bytes, deadline: deadline) { first in
            self.post { loop in
                for (place, proposal) in proposals.enumerated() {
                    loop.propose(proposal.group, proposal.entry, Token(first + UInt64(place)))
                }
            }
        }
        let took = ContinuousClock.now - began
        appends.withLock { appends in
            for (proposal, result) in zip(proposals, results) {
                if case .applied = result { appends[proposal.group, default: LatencyFigures()].add(took) }
            }
        }
        return results
    }

    /// Changes who belongs to a group that this node leads. `.applied` says that the change is through; whether it took
    /// effect the configuration tells.
    package func changeConfiguration(
        _ group: LogGroup, _ change: ConfChange, deadline: ContinuousClock.Instant
    ) async -> ProposalResult {
        await call(1, bytes: 0, deadline: deadline) { first in
            self.post { $0.changeConfiguration(group, change, Token(first)) }
        }[0]
    }

    private func call(
        _ count: Int, bytes: Int, deadline: ContinuousClock.Instant, _ post: @escaping (UInt64) -> Bool
    ) async -> [ProposalResult] {
        guard count > 0 else { return [] }
        return await withCheckedContinuation { answer in
            guard let first = calls.add(count, bytes: bytes, deadline: deadline, answer) else {
                let error = GrapeError(
                    .overloaded, "\(calls.bytes) bytes of writes are waiting already", retryAfterSeconds: 1)
                return answer.resume(returning: [ProposalResult](repeating: .refused(error), count: count))
            }
            if inbox.withLock({ $0.isClosing }) || !post(first) {
                for place in 0..<count { calls.answer(Token(first + UInt64(place)), .refused(Self.closing)) }
            }
        }
    }

    static let closing = GrapeError(.unavailable, "the node is shutting down", retryAfterSeconds: 5)

    // MARK: Reads

    /// Whether this node votes alone in all its groups: then what it has applied is all that was committed.
    var isAlone: Bool { published.withLock { $0.isAlone } }

    /// Returns when this node has applied everything that was committed in these groups before the call. It must have
    /// replicas of them.
    package func barrier(_ groups: [LogGroup], deadline: ContinuousClock.Instant) async throws(GrapeError) {
        guard !groups.isEmpty, !isAlone else { return }
        let waiting = inbox.withLock { $0.looks.count }
        guard waiting < Self.waitingReadsMax else {
            throw GrapeError(.overloaded, "\(waiting) reads are waiting already", retryAfterSeconds: 1)
        }
        let isReadable = await withCheckedContinuation { answer in
            let token = calls.add(answer, deadline: deadline)
            if inbox.withLock({ $0.isClosing }) || !look({ $0.read(groups, token) }) { calls.refuse(token) }
        }
        guard isReadable else {
            throw GrapeError(
                .unavailable, "no majority of the replicas confirmed in time that this read is fresh",
                retryAfterSeconds: 1)
        }
    }

    /// Carries out a strong read: its barrier, and what comes after.
    package func reading<Result>(
        _ body: () async throws(GrapeError) -> Result
    ) async throws(GrapeError) -> Result {
        crowd.enter()
        defer { if crowd.leave() { _ = look(unlessWaiting: 1) { _ in } } }
        return try await body()
    }

    // MARK: Other nodes

    /// Messages that wait for the loop; what comes beyond is lost, as on a wire.
    private static let waitingMessageBytesMax = 64 << 20

    package func receive(_ messages: [GroupMessage], from node: NodeNumber) {
        let bytes = messages.reduce(0) { sum, message in
            message.message.entries.reduce(sum + 64) { $0 + $1.data.count }
        }
        let isTaken = inbox.withLock { inbox in
            guard inbox.messageBytes == 0 || inbox.messageBytes + bytes <= Self.waitingMessageBytesMax else {
                return false
            }
            inbox.messageBytes += bytes
            return true
        }
        guard isTaken else { return }
        _ = post { [self] loop in
            inbox.withLock { $0.messageBytes -= bytes }
            loop.receive(messages, from: node)
        }
    }

    package func receive(_ exchange: ReadExchange, from node: NodeNumber) {
        _ = look(unlessWaiting: Self.waitingExchangesMax) { $0.receive(exchange, from: node) }
    }

    /// Looks that wait for a turn to end, which may wait for space on the disk. Other nodes leave room for the reads of this
    /// one: what is lost of theirs is asked again.
    private static let waitingExchangesMax = 1 << 13
    private static let waitingReadsMax = 1 << 14

    package func disconnected(_ node: NodeNumber) { _ = post { $0.disconnected(node) } }

    package func noteAppliedElsewhere(_ applied: [LogGroup: RaftIndex]) {
        _ = post { $0.noteAppliedElsewhere(applied) }
    }

    package func transferLeadership(of group: LogGroup, to replica: ReplicaID) {
        _ = post { $0.transferLeadership(of: group, to: replica) }
    }

    package func reportSnapshot(_ group: LogGroup, replica: ReplicaID, succeeded: Bool) {
        _ = post { $0.reportSnapshot(group, to: replica, succeeded: succeeded) }
    }

    // MARK: What others see

    /// The replicas as of the last turn in which something of note happened, a tick old at most.
    package func status() -> [GroupStatus] { published.withLock { $0.status } }

    /// The node that leads the group, as its replica here knows; nil where it knows none, or there is no replica.
    package func leader(of group: LogGroup) -> NodeNumber? { published.withLock { $0.leaders[group] } }

    /// Returns when every group that has a replica here has a leader, and what it leads has applied all that was committed:
    /// a node alone answers reads without asking anybody.
    func waitUntilLeading(deadline: ContinuousClock.Instant) async throws(GrapeError) {
        while true {
            let status = status()
            if !status.isEmpty,
                status.allSatisfy({
                    $0.leader != .none && ($0.role != .leader || $0.hasCommittedInTerm && $0.applied >= $0.commit)
                })
            {
                return
            }
            guard ContinuousClock.now < deadline else {
                throw GrapeError(.unavailable, "some groups have no leader", retryAfterSeconds: 1)
            }
            try? await Task.sleep(for: .milliseconds(5))
        }
    }

    /// At most so long ago this node knew all that was committed in its groups. A turn that is stuck tells nothing new.
    package var stalenessMilliseconds: Int {
        published.withLock { published in
            if published.isAlone { return 0 }
            let known = published.status.reduce(0) { max($0, $1.stalenessMilliseconds) }
            let age = Int((ContinuousClock.now - published.time) / .milliseconds(1))
            return age > options.electionTimeoutMilliseconds ? known + age : known
        }
    }

    package var fsync: LatencyFigures { published.withLock { $0.fsync } }
}
