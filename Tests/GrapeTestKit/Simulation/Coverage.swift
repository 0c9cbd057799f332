/// What happened in a run, by kind. Rare events are counted because a simulation that never meets them proves nothing
/// about them.
package enum CoveredEvent: Int, CaseIterable, Sendable {
    case elections, leaderChanges, leaderChangesInJoint, leadersDeposedWithoutElection
    case suffixesCut, compactions, proposalsDropped
    case messagesLost, messagesDelayed, messagesReordered, messagesDuplicated, messagesCut
    case oneWayCuts, partitions, pauses, clockRateChanges, slowSyncs
    case crashes, leaderCrashes, crashesAtStorageCallback, crashesBetweenResponses, restarts
    case writesLost, tornTails
    case transfersStarted, transfersCompleted, leadersForgotten
    case learnersAdded, votersChanged, jointEntered, jointLeft, replicasReplaced, replicasDropped
    case snapshotsSent, snapshotsInstalled, snapshotsResumed, snapshotsAborted
    case writesAcknowledged, readsAcknowledged, readsServedByFollower, readsBatched, readRoundsRetried
    case readsRetriedAtNewLeader
    case duplicatesAnsweredFromMemory, duplicatesFoundAtApply, staleCommandsRefused, outcomesUnknown
    case compareAndSetsSucceeded, compareAndSetsFailed
    /// No rare event to be met, but a known hole whose size is to be watched.
    case deadlocksByRemovedVoter
}

package typealias Coverage = EventCounts<CoveredEvent>

extension Coverage {
    /// What should have happened and never did.
    package var missing: [CoveredEvent] {
        CoveredEvent.allCases.filter { self[$0] == 0 && $0 != .deadlocksByRemovedVoter }
    }
}
