import GrapeModel
import GrapeStorage

/// Number of points of a collection in a shard and the sum of their hashes: equal on replicas that hold equal rows,
/// whatever the order in which these came. (Row hashes are XXH64 with seed 1 over the encoded id, the form, both
/// versions, the vector block and the payload.)
package struct RowDigest: Sendable, Hashable {
    package var points: UInt64 = 0
    package var sum: UInt64 = 0

    package init() {}

    package mutating func add(_ hash: UInt64) {
        points += 1
        sum &+= hash
    }

    /// -> false where there is no point to remove: the digest is not that of the rows.
    package mutating func remove(_ hash: UInt64) -> Bool {
        guard points > 0 else { return false }
        points -= 1
        sum &-= hash
        return true
    }

    package var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendLittleEndian(points)
        bytes.appendLittleEndian(sum)
        return bytes
    }

    package init?(encoded bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard let points = reader.integer(UInt64.self), let sum = reader.integer(UInt64.self), reader.isAtEnd else {
            return nil
        }
        self.points = points
        self.sum = sum
    }

    /// What the store says of the rows under this prefix.
    static func read(_ prefix: RowKeyPrefix, _ database: Database) throws(StorageError) -> RowDigest {
        let key = StateKey.digest(prefix)
        guard let bytes = try database.get(.state, key) else { return RowDigest() }
        guard let digest = RowDigest(encoded: bytes) else {
            throw .damagedRow(path: database.path, family: .state, key: key)
        }
        return digest
    }

    /// Hash of what a user sees of a point: the same after a restore, which gives it other versions. (XXH64 with seed 4 over
    /// the encoded id, the form, a hash of the vector block and the payload.)
    package static func contentHash(
        id: [UInt8], form: WrittenID.Form, vectorBlock: [UInt8], payload: [UInt8]
    ) -> UInt64 {
        var head: [UInt8] = []
        head.appendSized(id)
        head.append(form.code)
        if case .spelling(let text) = form { head.appendSized(text.utf8) }
        head.appendLittleEndian(XXH64.hash(vectorBlock, seed: 1))
        head.append(contentsOf: payload)
        return XXH64.hash(head, seed: 4)
    }

    /// Hash of one point, from all that its rows say.
    package static func hash(
        id: [UInt8], form: WrittenID.Form, vectorVersion: LogIndex, version: LogIndex, vectorBlock: [UInt8],
        payload: [UInt8]
    ) -> UInt64 {
        var head: [UInt8] = []
        head.appendSized(id)
        head.append(form.code)
        if case .spelling(let text) = form { head.appendSized(text.utf8) }
        head.appendLittleEndian(vectorVersion.rawValue)
        head.appendLittleEndian(version.rawValue)
        head.appendLittleEndian(XXH64.hash(vectorBlock, seed: 1))
        head.append(contentsOf: payload)
        return XXH64.hash(head, seed: 1)
    }
}
