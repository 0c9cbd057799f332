/// Open addressing from a key's hash to an ordinal: eight bytes an entry (hash and ordinal), linear probing, deletion
/// by moving entries back, so there are no tombstones. Whether two keys are equal is the caller's to say.
///
/// Not thread safe: belongs to the `KeyDirectory`, under its lock.
package final class KeyTable: @unchecked Sendable {
    private static let empty = UInt64.max

    private var entries: UnsafeMutablePointer<UInt64>
    private var capacity: Int
    package private(set) var count = 0

    package init() {
        capacity = 8
        entries = .allocate(capacity: capacity)
        entries.initialize(repeating: Self.empty, count: capacity)
    }

    deinit {
        entries.deallocate()
    }

    var bytes: Int { capacity * MemoryLayout<UInt64>.stride }

    package func find(hash: UInt32, where isEqual: (UInt32) -> Bool) -> UInt32? {
        position(hash: hash, where: isEqual).map { Self.ordinal(entries[$0]) }
    }

    /// Enters `ordinal` and returns the one that stood for the same key.
    package func insert(hash: UInt32, ordinal: UInt32, where isEqual: (UInt32) -> Bool) -> UInt32? {
        let entry = UInt64(hash) << 32 | UInt64(ordinal)
        if let position = position(hash: hash, where: isEqual) {
            defer { entries[position] = entry }
            return Self.ordinal(entries[position])
        }
        if (count + 1) * 4 > capacity * 3 { grow() }
        place(entry)
        count += 1
        return nil
    }

    package func remove(hash: UInt32, where isEqual: (UInt32) -> Bool) -> UInt32? {
        guard var hole = position(hash: hash, where: isEqual) else { return nil }
        let removed = Self.ordinal(entries[hole])
        let mask = capacity - 1
        var probe = (hole + 1) & mask
        // Bounded: the table always has an empty place.
        while entries[probe] != Self.empty {
            let home = Int(entries[probe] >> 32) & mask
            // The entry may fill the hole if the hole lies between its home and its place.
            if (probe &- home) & mask >= (probe &- hole) & mask {
                entries[hole] = entries[probe]
                hole = probe
            }
            probe = (probe + 1) & mask
        }
        entries[hole] = Self.empty
        count -= 1
        return removed
    }

    private func position(hash: UInt32, where isEqual: (UInt32) -> Bool) -> Int? {
        let mask = capacity - 1
        var probe = Int(hash) & mask
        while entries[probe] != Self.empty {
            if UInt32(truncatingIfNeeded: entries[probe] >> 32) == hash, isEqual(Self.ordinal(entries[probe])) {
                return probe
            }
            probe = (probe + 1) & mask
        }
        return nil
    }

    private func place(_ entry: UInt64) {
        let mask = capacity - 1
        var probe = Int(entry >> 32) & mask
        while entries[probe] != Self.empty { probe = (probe + 1) & mask }
        entries[probe] = entry
    }

    private func grow() {
        let old = UnsafeMutableBufferPointer(start: entries, count: capacity)
        capacity *= 2
        entries = .allocate(capacity: capacity)
        entries.initialize(repeating: Self.empty, count: capacity)
        for entry in old where entry != Self.empty { place(entry) }
        old.deallocate()
    }

    private static func ordinal(_ entry: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: entry) }
}
