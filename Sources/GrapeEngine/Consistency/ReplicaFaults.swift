import GrapeModel
import Logging
import Synchronization

/// Damage of replicas that this node knows of, however it was found. It stays with the replica's rows: when others take
/// their place it is forgotten.
///
/// Thread safety: `faults` is guarded by its mutex.
package final class ReplicaFaults: Sendable {
    package struct Fault: Sendable, Hashable {
        /// The rows that are damaged; 0 of the catalog's.
        package let generation: ReplicaGeneration
        /// Names file, family and key as far as they are known.
        package let detail: String
    }

    private let faults = Mutex<[LogGroup: Fault]>([:])
    private let total = Atomic<UInt64>(0)

    /// Findings since the start.
    package var count: UInt64 { total.load(ordering: .relaxed) }

    /// -> whether that is news.
    @discardableResult
    func note(_ group: LogGroup, _ generation: ReplicaGeneration, _ detail: String, _ logger: Logger) -> Bool {
        let isNew = faults.withLock { faults in
            guard faults[group]?.generation != generation else { return false }
            faults[group] = Fault(generation: generation, detail: detail)
            return true
        }
        guard isNew else { return false }
        total.add(1, ordering: .relaxed)
        logger.critical(
            "a replica is damaged", metadata: ["group": "\(group.number)", "damage": "\(detail)"])
        return true
    }

    func find(_ group: LogGroup, _ generation: ReplicaGeneration) -> Fault? {
        faults.withLock { $0[group].flatMap { $0.generation == generation ? $0 : nil } }
    }

    func forget(_ group: LogGroup) { faults.withLock { $0[group] = nil } }
}
