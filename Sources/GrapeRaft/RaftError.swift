/// Why a call was refused. After everything but `stopped` the replica goes on unchanged.
package enum RaftError: Error, Hashable {
    /// Not now and not here: no leader, a transfer under way, too much uncommitted, or this replica was removed.
    case proposalDropped
    /// A kind that only this node may produce came from outside.
    case localMessage(MessageKind)
    /// A response from a replica outside the configuration.
    case peerNotFound(ReplicaID)
    /// The message cannot come from a correct replica, whatever was lost or reordered.
    case malformed(MessageKind, String)
    case confChange(ConfChangeError)
    /// The configuration handed to `init`, or the state found in storage, contradicts itself.
    case invalidStart(String)
    /// The replica has seen proof that the group's safety is gone, or cannot read its log. It says nothing any more.
    case stopped(StopReason)
}

/// Why a replica stopped for good. The first reason stays.
package enum StopReason: Hashable, Sendable {
    /// The leader counts entries as committed that this replica lacks: it lost its log after acknowledging them.
    case commitBeyondLog(commit: LogIndex, lastIndex: LogIndex)
    /// An append from a legitimate leader contradicts an entry that is committed here.
    case committedEntryConflict(index: LogIndex, committed: LogIndex)
    /// Two replicas act as leader in one term.
    case twoLeaders(term: Term, first: ReplicaID, second: ReplicaID)
    case storage(RaftStorageError)
}

/// Why a configuration change does not apply to the configuration in force.
package enum ConfChangeError: Error, Hashable {
    case undecodable
    case alreadyJoint
    case notJoint
    case simpleWhileJoint
    case jointFromZeroVoters
    case removedAllVoters
    case moreThanOneVoterChanged
    case tooManyReplicas
    /// A configuration that contradicts itself: found in storage or a snapshot, never made here.
    case inconsistent(String)
}
