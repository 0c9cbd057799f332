/// A set of shards: a bit each.
package struct ShardSet: Sendable, Hashable {
    private var words: [UInt64] = []

    package init() {}

    package init(_ shards: some Sequence<ShardID>) {
        for shard in shards { insert(shard) }
    }

    package mutating func insert(_ shard: ShardID) {
        let word = Int(shard.rawValue) / UInt64.bitWidth
        while words.count <= word { words.append(0) }
        words[word] |= 1 << (UInt64(shard.rawValue) % 64)
    }

    package func contains(_ shard: ShardID) -> Bool {
        let word = Int(shard.rawValue) / UInt64.bitWidth
        return word < words.count && words[word] >> (UInt64(shard.rawValue) % 64) & 1 == 1
    }

    package mutating func remove(_ shard: ShardID) {
        let word = Int(shard.rawValue) / UInt64.bitWidth
        guard word < words.count else { return }
        words[word] &= ~(1 << (UInt64(shard.rawValue) % 64))
        // Equal sets have equal words.
        while words.last == 0 { words.removeLast() }
    }

    package func isSubset(of other: ShardSet) -> Bool {
        words.indices.allSatisfy { words[$0] & ~($0 < other.words.count ? other.words[$0] : 0) == 0 }
    }

    package var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

    package var isEmpty: Bool { count == 0 }

    /// The shards in their order.
    package var sorted: [ShardID] {
        var shards: [ShardID] = []
        for (place, word) in words.enumerated() {
            for bit in 0..<UInt64.bitWidth where word >> UInt64(bit) & 1 == 1 {
                shards.append(ShardID(UInt16(place * UInt64.bitWidth + bit)))
            }
        }
        return shards
    }

    /// Words of 64 bits after their count (32 bits), little-endian.
    package func encode(into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(UInt32(words.count))
        for word in words { bytes.appendLittleEndian(word) }
    }

    package init?(reader: inout ByteReader) {
        guard let words = reader.list({ $0.integer(UInt64.self) }), words.count <= 1 << 10 else { return nil }
        self.words = words
    }
}
