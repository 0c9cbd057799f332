import GrapeEngine
import GrapeModel
import GrapeRaft

/// Index and term in a group's log as consensus counts them. (GrapeModel's `LogIndex` is the same number as the version
/// of a row.)
package typealias RaftIndex = GrapeRaft.LogIndex

/// A message of Raft's with the group that it belongs to: what travels between store loops.
package struct GroupMessage: Sendable, Equatable {
    package let group: LogGroup
    package let message: Message

    package init(group: LogGroup, message: Message) {
        self.group = group
        self.message = message
    }
}

/// Takes messages to other nodes' store loops. It may lose any of them; it never blocks.
package protocol MessageSender: Sendable {
    func send(_ messages: [GroupMessage], to node: NodeNumber)
    func send(_ exchange: ReadExchange, to node: NodeNumber)
}

/// Brings the rows of a group to a replica that is too far behind for the log, and then the message, with the index
/// that the rows really have; reports the end to the store loop.
package protocol SnapshotSender: Sendable {
    func sendSnapshot(_ message: GroupMessage)
}
