/// How one replica behaves. Times are in ticks, sizes in bytes.
package struct RaftConfiguration: Sendable {
    package enum ReadMode: Sendable {
        /// A read is confirmed by a quorum round.
        case safe
        /// A read trusts the leader's lease, and so the clocks. Needs `checkQuorum`. Kept for conformance only.
        case leaseBased
    }

    package var id: ReplicaID
    package var electionTicks: Int
    package var heartbeatTicks: Int
    /// The last index the state machine has applied, from before a restart.
    package var applied: LogIndex = .zero
    package var asyncStorageWrites = true
    /// Most bytes of entries in one append message; zero for one entry a message.
    package var messageBytesMax: UInt64 = .max
    /// Most bytes of committed entries handed out and not yet applied. Nil: `messageBytesMax`.
    package var applyingBytesMax: UInt64?
    /// Most bytes of payload a leader holds uncommitted before it drops proposals.
    package var uncommittedBytesMax: UInt64 = .max
    package var inflightMessagesMax = 256
    package var inflightBytesMax: UInt64 = .max
    package var checkQuorum = true
    package var preVote = true
    package var readMode: ReadMode = .safe
    package var disableProposalForwarding = false
    /// Skips the check of proposed configuration changes against the active one.
    package var disableConfChangeValidation = false
    /// A leader that is removed or demoted steps down when the change is applied.
    package var stepDownOnRemoval = false
    /// Unsafe, for conformance tests only: what the model lets pass passes. A message of term zero counts as current (a
    /// snapshot without a term even makes a candidate's term fall), two leaders in one term are not noticed, and
    /// acknowledgements beyond the log's end are believed.
    package var trustsMessages = false

    package init(id: ReplicaID, electionTicks: Int = 10, heartbeatTicks: Int = 1) {
        self.id = id
        self.electionTicks = electionTicks
        self.heartbeatTicks = heartbeatTicks
    }

    /// The first rule that the values break, in words.
    var flaw: String? {
        if id == .none || id.isLocalThread { return "replica id \(id.rawValue) is reserved" }
        if heartbeatTicks <= 0 { return "heartbeatTicks must be greater than 0, is \(heartbeatTicks)" }
        if electionTicks <= heartbeatTicks {
            return "electionTicks (\(electionTicks)) must be greater than heartbeatTicks (\(heartbeatTicks))"
        }
        if electionTicks > Limits.ticksMax { return "electionTicks must be at most \(Limits.ticksMax)" }
        if inflightMessagesMax <= 0 { return "inflightMessagesMax must be greater than 0, is \(inflightMessagesMax)" }
        if inflightBytesMax != 0 && inflightBytesMax < messageBytesMax {
            return "inflightBytesMax (\(inflightBytesMax)) must be at least messageBytesMax (\(messageBytesMax))"
        }
        if readMode == .leaseBased && !checkQuorum { return "lease-based reads need checkQuorum" }
        return nil
    }
}
