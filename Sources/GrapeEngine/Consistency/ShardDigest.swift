import GrapeModel
import GrapeStorage

/// What the rows of a shard come to: their number, and one hash of the digests of all its collections. Replicas that hold
/// equal rows have equal ones.
package struct ShardDigest: Sendable, Hashable {
    package let points: UInt64
    /// XXH64 with seed 4 over collection, points and sum (64 bits each, little-endian) of each collection that has points,
    /// ascending.
    package let hash: UInt64

    init(_ digests: [ExportHeader.Digest]) {
        var bytes: [UInt8] = []
        for one in digests where one.digest.points > 0 {
            bytes.appendLittleEndian(one.collection.rawValue)
            bytes.append(contentsOf: one.digest.encoded)
        }
        points = digests.reduce(0) { $0 &+ $1.digest.points }
        hash = XXH64.hash(bytes, seed: 4)
    }

    package init(points: UInt64, hash: UInt64) {
        self.points = points
        self.hash = hash
    }

    /// The hash in 16 hexadecimal digits.
    package var text: String {
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

extension ShardDigest {
    func encode(into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(points)
        bytes.appendLittleEndian(hash)
    }

    init?(reader: inout ByteReader) {
        guard let points = reader.integer(UInt64.self), let hash = reader.integer(UInt64.self) else { return nil }
        self.init(points: points, hash: hash)
    }
}
