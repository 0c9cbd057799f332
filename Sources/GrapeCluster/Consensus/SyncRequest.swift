import GrapeEngine
import GrapeRaft

/// What one sync is to bring to the disk, and what follows it.
package struct SyncRequest: Sendable {
    package var ticket: UInt64
    /// What replicas promise with what is written: noted in the file `acknowledged` once it is on the disk.
    package var promises: [LogGroup: Acknowledgement] = [:]
    /// A vote is among them, which may not leave before that file is on the disk too (RAFT.md 7).
    package var holdsVote = false
    /// Entries up to here are dropped once what is written is really on the disk, also where writes are not synced
    /// otherwise: their files go at once, and the rows that cover them must not be lost then (RAFT.md 5).
    package var drops: [LogGroup: RaftIndex] = [:]

    package init(ticket: UInt64) { self.ticket = ticket }

    /// One sync does for both.
    package mutating func join(_ later: SyncRequest) {
        ticket = max(ticket, later.ticket)
        promises.merge(later.promises) { $1 }
        holdsVote = holdsVote || later.holdsVote
        drops.merge(later.drops) { max($0, $1) }
    }
}
