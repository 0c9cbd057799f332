import GrapeEngine
import GrapeModel
import Synchronization

/// Gives every write of this run of the node its name in the logs, one row of names a group, and knows which of them are
/// still open (RAFT.md 24).
///
/// A shard remembers the outcomes behind the lowest open sequence, a bounded number of them. A write that stays open
/// long (its shard has no leader) would hold that back, so after `windowMax` further sequences the group goes on under a
/// new incarnation, and the old one waits for what is left of it.
///
/// Thread safety: `rows` is guarded by its mutex.
package final class WriteOrigins: Sendable {
    /// Fewer than the outcomes that a shard keeps of one incarnation.
    static let windowMax: UInt64 = 512

    private struct Row {
        var incarnation = UInt64.random(in: 1 ... .max)
        var next: UInt64 = 1
        /// Sequences from `next - open.count` on: whether each is still open.
        var open: [Bool] = []
        var lowestOpen: UInt64 { next - UInt64(open.count) }
    }

    private let rows = Mutex<[LogGroup: Row]>([:])

    package init() {}

    /// A name for one write, open until `close`.
    package func open(_ group: LogGroup) -> WriteOrigin {
        rows.withLock { rows in
            var row = rows[group] ?? Row()
            if row.open.count >= Self.windowMax { row = Row() }
            let origin = WriteOrigin(
                incarnation: row.incarnation, sequence: row.next, lowestOpen: row.lowestOpen)
            row.open.append(true)
            row.next += 1
            rows[group] = row
            return origin
        }
    }

    /// The write's outcome is known, or nobody waits for it any more.
    package func close(_ origin: WriteOrigin, _ group: LogGroup) {
        rows.withLock { rows in
            guard var row = rows[group], row.incarnation == origin.incarnation else { return }
            row.open[Int(origin.sequence - row.lowestOpen)] = false
            let closed = row.open.prefix { !$0 }.count
            row.open.removeFirst(closed)
            rows[group] = row
        }
    }
}
