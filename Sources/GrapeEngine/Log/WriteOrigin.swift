/// Who proposed a write, so that a repetition is known for one (RAFT.md 24).
package struct WriteOrigin: Sendable, Hashable {
    /// Drawn anew at each start of a node.
    package var incarnation: UInt64
    package var sequence: UInt64
    /// All sequences below are answered: results that wait for them can go.
    package var lowestOpen: UInt64

    /// Of a write that nobody sends twice: nothing is remembered of it.
    package static let none = WriteOrigin(incarnation: 0, sequence: 0, lowestOpen: 0)

    package init(incarnation: UInt64, sequence: UInt64, lowestOpen: UInt64) {
        self.incarnation = incarnation
        self.sequence = sequence
        self.lowestOpen = lowestOpen
    }
}
