/// How archives of the cluster are made and kept.
package struct BackupOptions: Sendable {
    /// Archives that stay where the call doesn't say.
    package static let keepDefault = 3
    package static let keepMax = 1_000
    /// Nodes that get a copy, where there are so many.
    static let copies = 2

    /// Bytes of rows that are read, packed or copied in a second: what is left of disk and cores is for requests.
    package var bytesPerSecond = 64 << 20
    /// An archive beyond what rows are thought to take: catalog, state, and what is written meanwhile.
    package var spareBytes: UInt64 = 64 << 20
    package var requestTimeout = Duration.seconds(15)
    /// A group that no node gives for so long ends the snapshot.
    package var patience = Duration.seconds(60)
    package var pause = Duration.milliseconds(250)
    /// Re-reading or copying an archive on another node.
    package var longRequestTimeout = Duration.seconds(3_600)
    /// An export for another node that nobody goes on with.
    package var sessionIdle = Duration.seconds(60)
    package var sessionsMax = 4

    package init() {}
}
