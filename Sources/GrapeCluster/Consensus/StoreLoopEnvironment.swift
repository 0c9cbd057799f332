import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage

/// Names a proposal or a read towards whoever waits for it.
package struct Token: Sendable, Hashable {
    package let rawValue: UInt64

    package init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// Entries that one replica is to apply, in order; or the rows of a snapshot that take the place of what it had.
package enum ApplyWork: Sendable {
    case entries(LogGroup, replica: ReplicaID, [CommittedEntry])
    case install(SnapshotImage, replica: ReplicaID, hardState: HardState)

    package var group: LogGroup {
        switch self {
        case .entries(let group, _, _): group
        case .install(let image, _, _): image.group
        }
    }
}

/// The rows of a group at an index, verified and lying under a generation of their own, ready to be switched to.
package struct SnapshotImage: Sendable {
    package var group: LogGroup
    /// What the group's state is to be: applied index and term, fence, configuration, the new generation.
    package var state: GroupState
    /// Rows of the family `state` that end with the switch: what was noted of receiving it.
    package var finishedKeys: [[UInt8]]
    /// The catalog, whose rows have no generations: they change with the switch.
    package var catalog: CatalogState?

    package init(
        group: LogGroup, state: GroupState, finishedKeys: [[UInt8]] = [], catalog: CatalogState? = nil
    ) {
        self.group = group
        self.state = state
        self.finishedKeys = finishedKeys
        self.catalog = catalog
    }
}

/// What the store loop does to the world. Production puts threads, a disk and a network behind it, the simulator a
/// queue of events; both answer by calling the loop's events.
package protocol StoreLoopEnvironment: AnyObject {
    /// The database that logs lie in: the loop fills batches and reads entries from it.
    var database: Database { get }
    /// Writes without sync. After `noSpace` nothing of it was written, and the loop tries again at its next turn; any
    /// other error ends the node.
    func write(_ batch: borrowing WriteBatch) throws(StorageError)
    /// Everything written so far is to be synced, then the rest of the request carried out, then comes
    /// `synced(through:)`. Several requests may be joined.
    func requestSync(_ request: SyncRequest)
    func send(_ messages: [GroupMessage], to node: NodeNumber)
    func send(_ exchange: ReadExchange, to node: NodeNumber)
    func sendSnapshot(_ message: GroupMessage)
    /// To be done in the order given, a group's works one after another; then `applied` or `installed`.
    func apply(_ work: ApplyWork)
    func answer(_ token: Token, _ result: ProposalResult)
    /// Whether a round for so many reads is to be sent now; else the loop is asked again soon.
    func mayBeginReads(waiting: Int) -> Bool
    func readable(_ token: Token)
    /// Not from this node: it has no replica of one of the groups that could tell.
    func unreadable(_ token: Token)
    /// A replica stopped itself, with the reason.
    func stopped(_ group: LogGroup, _ reason: String)
}

extension StoreLoopEnvironment {
    package func mayBeginReads(waiting: Int) -> Bool { true }
}
