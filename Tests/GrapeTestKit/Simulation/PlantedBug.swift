/// Bugs put into a run to see whether the checkers notice. All are planted around the core (in its storage, its driver
/// or its messages), so that the core carries no switch for them.
package enum PlantedBug: String, CaseIterable, Sendable {
    /// The disk keeps the term and forgets the vote.
    case voteNotPersisted = "vote-not-persisted"
    /// The driver tells the leader that its own entries are durable before they are.
    case ownUnsyncedAppendCounted = "own-unsynced-append-counted"
    /// Appends of deposed leaders arrive with the receiver's term on them.
    case staleAppendAccepted = "stale-append-accepted"
    /// In a joint configuration the driver answers in the name of those voters who are only in the outgoing half.
    case jointMajorityIgnored = "joint-majority-ignored"
    /// A leader answers reads at its commit index before it has committed in its term.
    case readBeforeFirstCommit = "read-before-first-commit"
    /// The leader's messages announce as committed what a majority holds, of whatever term.
    case oldTermEntryCommitted = "old-term-entry-committed"
    /// The state machine forgets which commands it has seen.
    case duplicateApplied = "duplicate-applied"
}
