/// How rows travel to replicas that are too far behind.
package struct SnapshotOptions: Sendable {
    /// Of all transfers of the node together.
    package var bytesPerSecond = 64 << 20
    /// Transfers that this node sends at the same time, and that it receives.
    package var outgoingMax = 2
    package var incomingMax = 2
    package var requestTimeout = Duration.seconds(15)
    /// After a request without answer, and where the receiver says that it is busy.
    package var pause = Duration.milliseconds(250)
    /// A transfer that does not come on for so long, whether the receiver says nothing or that it is busy, is given up and
    /// makes room for others. Its snapshot of the database is freed.
    package var patience = Duration.seconds(60)
    /// A transfer that nobody goes on with makes room for others after so long.
    package var incomingIdle = Duration.seconds(20)

    package init() {}
}
