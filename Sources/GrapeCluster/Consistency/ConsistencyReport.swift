import GrapeEngine
import GrapeModel

/// What a consistency check found: a row for each shard.
package struct ConsistencyReport: Sendable {
    package struct Shard: Sendable {
        package let shard: ShardID
        /// The entry at which the replicas were compared; nil where none was written.
        package var index: LogIndex?
        /// What each node's replica came to, in the order of nodes.
        package var replicas: [(place: ReplicaPlace, check: ReplicaCheck)] = []
        /// Replicas that gave no answer, and why: nothing is known of them.
        package var missing: [(place: ReplicaPlace, reason: String)] = []
    }

    package let isDeep: Bool
    package var shards: [Shard]

    /// Every replica of every shard answered, and all say the same.
    package var isConsistent: Bool { shards.allSatisfy(\.isConsistent) }
}

extension ConsistencyReport.Shard {
    /// Every replica answered, at one index; all came to the same, and none is known to be damaged.
    package var isConsistent: Bool {
        guard let index, missing.isEmpty, let first = replicas.first else { return false }
        return replicas.allSatisfy {
            $0.check.index == index && $0.check.running == first.check.running && $0.check.defect == nil
        }
    }

    /// What most of the replicas that there should be came to; nil where they don't agree, or too few answered.
    var majority: ShardDigest? {
        var counts: [ShardDigest: Int] = [:]
        for replica in replicas where replica.check.defect == nil && replica.check.index == index {
            counts[replica.check.running, default: 0] += 1
        }
        let needed = (replicas.count + missing.count) / 2 + 1
        return counts.first { $0.value >= needed }?.key
    }

    /// Replicas that differ from the majority, with the reason in words. Empty where there is no majority.
    package var minority: [(place: ReplicaPlace, reason: String)] {
        guard let majority else { return [] }
        return replicas.compactMap { place, check in
            if let defect = check.defect { return (place, defect) }
            guard check.index == index, check.running != majority else { return nil }
            return (
                place,
                "at entry \(check.index) the digest of its rows is \(check.running.text), of most replicas "
                    + "\(majority.text)"
            )
        }
    }

    /// Replicas differ or are damaged, and no majority says what is right.
    package var isUndecided: Bool {
        let differs = Set(replicas.map(\.check.running)).count > 1
        return majority == nil && (differs || replicas.contains { $0.check.defect != nil })
    }
}

extension ReplicaCheck {
    /// What is wrong with the replica whatever others say; nil where nothing is known.
    package var defect: String? {
        if case .damaged(let detail) = disk { return detail }
        if case .read(let digest, _) = disk, digest != running {
            return "the rows on the disk come to \(digest.text), the running digest is \(running.text)"
        }
        return fault
    }

    /// Whether nothing more is to come.
    var isComplete: Bool {
        if case .reading = disk { false } else { true }
    }
}
