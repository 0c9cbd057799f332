/// What happened in a cluster's run, by kind, as `CoveredEvent` counts it for the core alone.
package enum ClusterEvent: Int, CaseIterable, Sendable {
    case leadersElected, leadersElectedInJoint
    case processCrashes, powerLosses, crashesAtWrite, crashesBehindWrite, crashesAtSync, crashesAtApply, restarts
    case crashesAtInstall, crashesAtReplicaChange, crashesAtBlock, crashesAtDrop, jointLeadersCrashed, endsWithNodeDown
    case unsyncedWritesLost, slowSyncs, syncsJoined, pauses, clockRateChanges, oneWayCuts, partitions, transfers
    case fullDisks, logsLost, replicasLost, replicasRepaired
    case compactions, snapshotsSent, snapshotsInstalled, snapshotsRefused, snapshotsResumed, snapshotsBegunAgain,
        snapshotBlocksBehindTheFirst, snapshotsOfCatalog
    case membersJoined, membersLeft, nodesWiped, learnersWiped, movesStarted, movesFinished, movesCancelled,
        replicasCreated, replicasDropped, dropsDelayed
    case jointEntered
    case writesAcknowledged, writesRetried, writesInPieces, writesUnknown, writesRefused, deletesAcknowledged
    case writesResolvedAgain, duplicatesAnswered, proposalsLost
    case readsServedByLeader, readsServedByFollower, readsUnanswered, searchesServed
    case collectionsMade, collectionsDropped, historiesUndecided
}
