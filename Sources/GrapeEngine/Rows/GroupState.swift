import GrapeModel

/// How far a group's entries are applied. Its row is written in the same batch as what they did (RAFT.md 4).
package struct GroupState: Sendable, Hashable {
    private static let format: UInt8 = 1

    package var applied = LogIndex(0)
    /// Writes resolved under an older catalog are refused. Shards only.
    package var fence = CatalogVersion(0)
    /// The rows that count. Shards only.
    package var generation = ReplicaGeneration.first
    /// Entries of another epoch are refused. Shards only.
    package var epoch = ShardEpoch.first
    /// Term of the entry at `applied`.
    package var appliedTerm: UInt64 = 0
    /// The replicas as of `applied`, in a form that consensus knows.
    package var configuration: [UInt8] = []

    package init() {}

    package var encoded: [UInt8] {
        var bytes: [UInt8] = [Self.format]
        bytes.appendLittleEndian(applied.rawValue)
        bytes.appendLittleEndian(fence.rawValue)
        bytes.appendLittleEndian(generation.rawValue)
        bytes.appendLittleEndian(epoch.rawValue)
        bytes.appendLittleEndian(appliedTerm)
        bytes.appendSized(configuration)
        return bytes
    }

    package init?(encoded bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard reader.integer(UInt8.self) == Self.format, let applied = reader.integer(UInt64.self),
            let fence = reader.integer(UInt64.self), let generation = reader.integer(UInt32.self),
            let epoch = reader.integer(UInt32.self), let term = reader.integer(UInt64.self),
            let configuration = reader.sized()
        else { return nil }
        self.applied = LogIndex(applied)
        self.fence = CatalogVersion(fence)
        self.generation = ReplicaGeneration(generation)
        self.epoch = ShardEpoch(epoch)
        appliedTerm = term
        self.configuration = Array(configuration)
    }
}
