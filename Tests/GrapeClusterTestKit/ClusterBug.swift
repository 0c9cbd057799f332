/// Bugs put into a cluster to see whether the checkers notice: all around the code under test, in what drives it.
package enum ClusterBug: String, CaseIterable, Sendable {
    /// The log is said to be on the disk without having been synced.
    case syncSkipped = "sync-skipped"
    /// What waits for a sync is said before it.
    case saidBeforeSync = "said-before-sync"
    /// A replica whose log lacks what it had promised takes part all the same.
    case promisesIgnored = "promises-ignored"
    /// A read is answered from what is applied here, without asking what is committed.
    case readWithoutBarrier = "read-without-barrier"
    /// A write that is sent again gets a new name, so a shard carries it out twice: 1, 2, 1.
    case originIgnored = "origin-ignored"
    /// A row of a snapshot is missing when its generation takes the place of the old one.
    case snapshotUnverified = "snapshot-unverified"
    /// What a snapshot says of open writes is left out.
    case originsLeftOut = "origins-left-out"
    /// A replica forgets the vote that it gave when its node starts again.
    case voteForgotten = "vote-forgotten"
    /// Some entries do nothing on one node.
    case applyDiffers = "apply-differs"
    /// A change of the configuration adds the new voter before the old one is gone.
    case fourVoters = "four-voters"
    /// A move is called finished, and the old copy dropped, while its vote may still be needed.
    case moveFinishedEarly = "move-finished-early"
}
