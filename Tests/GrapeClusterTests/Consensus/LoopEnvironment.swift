import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage

/// Keeps what a store loop asks for until a test carries it out.
final class LoopEnvironment: StoreLoopEnvironment {
    let database: Database
    /// The disk has no room: writes are refused.
    var isFull = false
    var outbox: [(to: NodeNumber, message: GroupMessage)] = []
    var exchanges: [(to: NodeNumber, exchange: ReadExchange)] = []
    /// Snapshots that the loop wants to have sent.
    var snapshots: [GroupMessage] = []
    var sync: SyncRequest?
    var works: [ApplyWork] = []
    var answers: [Token: ProposalResult] = [:]
    var readable: [Token] = []
    var unreadable: [Token] = []
    var stops: [String] = []
    /// Calls of `write` that wrote something.
    var writes = 0
    var syncs = 0

    init(_ database: Database) { self.database = database }

    func write(_ batch: borrowing WriteBatch) throws(StorageError) {
        if isFull { throw .noSpace(.init(path: database.path), detail: "the test took it") }
        try database.write(batch)
        writes += 1
    }

    func requestSync(_ request: SyncRequest) {
        if sync == nil { sync = request } else { sync?.join(request) }
    }

    func send(_ messages: [GroupMessage], to node: NodeNumber) { outbox += messages.map { (node, $0) } }

    func send(_ exchange: ReadExchange, to node: NodeNumber) { exchanges.append((node, exchange)) }

    func sendSnapshot(_ message: GroupMessage) { snapshots.append(message) }

    func apply(_ work: ApplyWork) { works.append(work) }

    func answer(_ token: Token, _ result: ProposalResult) { answers[token] = result }

    func readable(_ token: Token) { readable.append(token) }

    func unreadable(_ token: Token) { unreadable.append(token) }

    func stopped(_ group: LogGroup, _ reason: String) { stops.append(reason) }
}
