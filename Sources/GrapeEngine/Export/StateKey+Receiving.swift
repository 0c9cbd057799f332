import GrapeModel

extension StateKey {
    /// What is being received: under which generation, and the export's header.
    static func receiving(_ group: LogGroup) -> [UInt8] {
        var key: [UInt8] = [0x0b]
        key.appendBigEndian(group.number)
        return key
    }

    /// How much of it is here.
    static func receivingProgress(_ group: LogGroup) -> [UInt8] { receiving(group) + [0x00] }

    /// Rows of one kind in a shard's generation lie between these.
    static func rows(
        _ kind: ExportedRow.Kind, _ shard: ShardID, _ generation: ReplicaGeneration
    ) -> (from: [UInt8], to: [UInt8]) {
        func bound(_ generation: UInt32) -> [UInt8] {
            var key: [UInt8] = [kind.rawValue]
            key.appendBigEndian(shard.rawValue)
            key.appendBigEndian(generation)
            return key
        }
        return (bound(generation.rawValue), bound(generation.rawValue + 1))
    }
}
