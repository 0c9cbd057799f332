/// Reads waiting for a quorum to confirm that their leader still leads.
///
/// Reads are numbered within a leadership: a heartbeat carries the number of the newest read it covers, and its answer
/// confirms every read up to that number. Numbers only rise, so an answer to an earlier round never confirms a later
/// read (the flaw of contexts chosen by readers, etcd-io/etcd#20418), and a retry cannot weaken what is confirmed.
package struct ReadQueue: Sendable {
    package struct Read: Sendable, Equatable {
        package var requester: ReplicaID
        package var context: ReadContext
        /// The commit index when the read arrived.
        package var index: LogIndex
    }

    private var waiting: [Read] = []
    /// How many reads were confirmed. Invariant: `waiting[i]` has number `confirmed + 1 + i`.
    private var confirmed: UInt64 = 0
    /// The highest number each replica has confirmed.
    private var acknowledged: [(id: ReplicaID, number: UInt64)] = []

    package init() {}

    package var isFull: Bool { waiting.count >= Limits.pendingReadsMax }

    /// The number of the newest read: what a heartbeat carries now. Zero when no read waits.
    package var roundNumber: UInt64 { waiting.isEmpty ? 0 : newest }

    package var newest: UInt64 { confirmed + UInt64(waiting.count) }

    package mutating func add(_ read: Read) { waiting.append(read) }

    /// `id` still follows this leader and did so after read `number` had arrived.
    package mutating func acknowledge(_ id: ReplicaID, number: UInt64) {
        precondition(number <= newest, "read \(number) confirmed before it was asked; newest is \(newest)")
        for slot in acknowledged.indices where acknowledged[slot].id == id {
            acknowledged[slot].number = max(acknowledged[slot].number, number)
            return
        }
        acknowledged.append((id, number))
    }

    package func acknowledgedNumber(of id: ReplicaID) -> UInt64? {
        acknowledged.first { $0.id == id }?.number
    }

    /// Takes out the reads up to `number`, which a quorum has confirmed.
    package mutating func confirm(through number: UInt64) -> [Read] {
        if number <= confirmed { return [] }
        precondition(number <= newest, "read \(number) confirmed before it was asked; newest is \(newest)")
        let count = Int(number - confirmed)
        let reads = Array(waiting[..<count])
        waiting.removeFirst(count)
        confirmed = number
        return reads
    }
}
