import GrapeModel
import Synchronization

/// What this node's replicas noted at the entries of consistency checks, until whoever began the check asks for it.
///
/// 1. A check that nobody announced here is noted too, but its rows are not read: its entry may come again after a restart.
/// 2. Nothing of it is durable: a node that starts anew has no answer, and is named for it.
///
/// Thread safety: `state` is guarded by its mutex.
package final class ConsistencyMarks: Sendable {
    struct Mark: Sendable {
        let id: UInt64
        let generation: ReplicaGeneration
        var check: ReplicaCheck
        /// The rows' reading, while it goes on.
        var scan: RowScan?
    }

    private struct State {
        var announced: [UInt64: ContinuousClock.Instant] = [:]
        var marks: [ShardID: [Mark]] = [:]
    }

    /// Checks that a shard remembers; readings that may wait or go on.
    private static let marksMax = 8
    private static let deepMax = 2

    private let state = Mutex(State())

    /// Somebody is about to write the entries of a check. -> false where too many are under way.
    package func announce(_ id: UInt64, isDeep: Bool, until: ContinuousClock.Instant) -> Bool {
        state.withLock { state in
            state.announced = state.announced.filter { $0.value > .now }
            guard isDeep else { return true }
            guard state.announced.count < Self.deepMax || state.announced[id] != nil else { return false }
            state.announced[id] = until
            return true
        }
    }

    func isAnnounced(_ id: UInt64) -> Bool { state.withLock { $0.announced[id].map { $0 > .now } ?? false } }

    func note(_ mark: Mark, _ shard: ShardID) {
        state.withLock { state in
            var marks = state.marks[shard] ?? []
            marks.removeAll { $0.id == mark.id }
            if marks.count == Self.marksMax { marks.removeFirst() }
            marks.append(mark)
            state.marks[shard] = marks
        }
    }

    func update(_ id: UInt64, _ shard: ShardID, _ disk: DiskCheck) {
        state.withLock { state in
            guard let place = state.marks[shard]?.firstIndex(where: { $0.id == id }) else { return }
            state.marks[shard]?[place].check.disk = disk
            state.marks[shard]?[place].scan = nil
        }
    }

    /// nil where the check's entry has not been applied here, or is forgotten.
    func find(_ id: UInt64, _ shard: ShardID) -> Mark? {
        state.withLock { $0.marks[shard]?.first { $0.id == id } }
    }
}
