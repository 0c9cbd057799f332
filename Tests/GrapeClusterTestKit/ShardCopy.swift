import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeStorage
import GrapeTestKit

/// All that the store holds of one group at the index that is applied, but for its log: equal on all nodes that are so far,
/// whatever generation it lies under.
struct ShardCopy {
    struct Row: Equatable {
        var family: ColumnFamily
        /// Without a generation.
        var key: [UInt8]
        var value: [UInt8]
    }

    let group: LogGroup
    let state: GroupState
    private(set) var rows: [Row] = []

    init?(of group: LogGroup, in database: Database) throws(StorageError) {
        guard let bytes = try database.get(.state, StateKey.group(group)), let state = GroupState(encoded: bytes) else {
            return nil
        }
        self.group = group
        self.state = state
        switch group {
        case .catalog: try read(.catalog, from: [], to: [0xFF], database)
        case .shard(let shard):
            for range in StateKey.generations(of: shard, below: ReplicaGeneration(.max)) {
                try read(.state, from: range.from, to: range.to, database)
            }
            let from = RowKeyPrefix(shard: shard, generation: state.generation, collection: CollectionID(0))
            let next = ReplicaGeneration(state.generation.rawValue + 1)
            let to = RowKeyPrefix(shard: shard, generation: next, collection: CollectionID(0))
            for family in [ColumnFamily.vectors, .payloads] {
                try read(family, from: from.lowerBound, to: to.lowerBound, database)
            }
        }
    }

    private mutating func read(
        _ family: ColumnFamily, from: [UInt8], to: [UInt8], _ database: Database
    ) throws(StorageError) {
        var cursor = try database.cursor(family, from: from, to: to)
        try cursor.seekToFirst()
        while cursor.isValid {
            var key = cursor.key.copyBytes()
            if generation(of: key, family).map({ $0 == state.generation }) ?? true {
                var value = cursor.value.copyBytes()
                if Self.valueIsKey(key, family) { set(ReplicaGeneration(0), in: &value, family) }
                set(ReplicaGeneration(0), in: &key, family)
                rows.append(Row(family: family, key: key, value: value))
            }
            try cursor.next()
        }
    }

    /// Where a key names its generation: behind the shard, which in `state` stands behind the tag.
    private func place(_ family: ColumnFamily) -> Int? {
        family == .catalog ? nil : family == .state ? 3 : 2
    }

    /// The order of idempotency keys names the rows that they are in.
    private static func valueIsKey(_ key: [UInt8], _ family: ColumnFamily) -> Bool {
        family == .state && key.first == 0x04
    }

    private func generation(of key: [UInt8], _ family: ColumnFamily) -> ReplicaGeneration? {
        guard let place = place(family) else { return nil }
        return ReplicaGeneration(key[place..<(place + 4)].reduce(0) { $0 << 8 | UInt32($1) })
    }

    private func set(_ generation: ReplicaGeneration, in key: inout [UInt8], _ family: ColumnFamily) {
        guard let place = place(family) else { return }
        for byte in 0..<4 {
            key[place + byte] = UInt8(truncatingIfNeeded: generation.rawValue >> (24 - 8 * UInt32(byte)))
        }
    }

    // MARK: Comparison

    /// What is different, in words; nil where all but the generation is equal.
    func difference(from other: ShardCopy) -> String? {
        var (own, others) = (state, other.state)
        (own.generation, others.generation) = (.first, .first)
        if own != others { return "states \(own) and \(others)" }
        if rows == other.rows { return nil }
        for row in rows + other.rows {
            let (left, right) = (value(of: row), other.value(of: row))
            if left != right {
                return
                    "\(row.family) \(row.key): \(left.map { "\($0)" } ?? "nothing") and \(right.map { "\($0)" } ?? "nothing")"
            }
        }
        return "the order of rows"
    }

    private func value(of row: Row) -> [UInt8]? {
        rows.first { $0.family == row.family && $0.key == row.key }?.value
    }

    var hash: UInt64 {
        var hash = TraceHash(seed: state.applied.rawValue)
        for row in rows {
            hash.mix(TraceHash.of(row.key))
            hash.mix(TraceHash.of(row.value))
        }
        hash.mix(TraceHash.of(state.configuration))
        return hash.value
    }
}
