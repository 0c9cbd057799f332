import GrapeModel

/// Keys of the family `index_checkpoints`: collection (64 bits), position of the named vector (16), chunk (32), all
/// big-endian.
package enum CheckpointKey {
    /// The chunks of a named vector lie between these.
    package static func range(_ collection: CollectionID, position: Int) -> (from: [UInt8], to: [UInt8]) {
        (lowerBound(collection, position: position), upperBound(collection, position: position))
    }

    static func lowerBound(_ collection: CollectionID, position: Int = 0) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendBigEndian(collection.rawValue)
        bytes.appendBigEndian(UInt16(position))
        return bytes
    }

    /// The first key behind a named vector's chunks.
    static func upperBound(_ collection: CollectionID, position: Int) -> [UInt8] {
        lowerBound(collection, position: position + 1)
    }

    /// The first key behind all chunks of a collection.
    static func upperBound(_ collection: CollectionID) -> [UInt8] {
        lowerBound(CollectionID(collection.rawValue + 1))
    }

    static func key(_ collection: CollectionID, position: Int, chunk: UInt32) -> [UInt8] {
        var bytes = lowerBound(collection, position: position)
        bytes.appendBigEndian(chunk)
        return bytes
    }
}
