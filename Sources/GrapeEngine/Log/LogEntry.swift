import GrapeModel

/// One entry of a shard's log.
///
/// Layout, format 1, little-endian: format (8 bits), kind (8), catalog version (64), epoch (32), incarnation, sequence and
/// lowest open sequence (64 each), idempotency key with its length (32, 0 for none), then the command's body
/// (`ShardCommand`). An unknown format or kind stops the replica (RAFT.md 25).
package struct LogEntry: Sendable, Hashable {
    private static let format: UInt8 = 1

    /// The catalog under which names were resolved; apply refuses a write that is older than the shard's fence.
    package var catalogVersion: CatalogVersion
    /// The shard as the proposer knows it; apply refuses an entry of another epoch.
    package var epoch: ShardEpoch
    package var origin: WriteOrigin
    /// Chosen by a client; empty: none.
    package var idempotencyKey: [UInt8]
    package var command: ShardCommand

    package init(
        catalogVersion: CatalogVersion, epoch: ShardEpoch = .first, origin: WriteOrigin = .none,
        idempotencyKey: [UInt8] = [], command: ShardCommand
    ) {
        self.catalogVersion = catalogVersion
        self.epoch = epoch
        self.origin = origin
        self.idempotencyKey = idempotencyKey
        self.command = command
    }

    package var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(48 + idempotencyKey.count + command.byteCount)
        bytes.append(Self.format)
        bytes.append(command.kind)
        bytes.appendLittleEndian(catalogVersion.rawValue)
        bytes.appendLittleEndian(epoch.rawValue)
        bytes.appendLittleEndian(origin.incarnation)
        bytes.appendLittleEndian(origin.sequence)
        bytes.appendLittleEndian(origin.lowestOpen)
        bytes.appendSized(idempotencyKey)
        command.encode(into: &bytes)
        return bytes
    }

    /// Whether entries that begin so are known to this build, which is asked before one is proposed: a replica that is to
    /// apply another one stops.
    package static func isKnown(_ entry: [UInt8]) -> Bool {
        entry.count > 2 && entry[0] == format && ShardCommand.kinds.contains(entry[1])
    }

    /// Whether the entry is a consistency check, by its front alone.
    static func isCheck(_ entry: [UInt8]) -> Bool { entry.count > 2 && entry[0] == format && entry[1] == checkKind }

    private static let checkKind = ShardCommand.check(0, deep: false).kind

    /// nil where the bytes are no entry that this build knows.
    package init?(encoded bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard reader.integer(UInt8.self) == Self.format, let kind = reader.integer(UInt8.self),
            let version = reader.integer(UInt64.self), let epoch = reader.integer(UInt32.self),
            let incarnation = reader.integer(UInt64.self), let sequence = reader.integer(UInt64.self),
            let lowestOpen = reader.integer(UInt64.self), let key = reader.sized(),
            let command = ShardCommand(kind: kind, reader: &reader)
        else { return nil }
        self.init(
            catalogVersion: CatalogVersion(version), epoch: ShardEpoch(epoch),
            origin: WriteOrigin(incarnation: incarnation, sequence: sequence, lowestOpen: lowestOpen),
            idempotencyKey: Array(key), command: command)
        // Pieces are put together under their origin.
        if case .piece = command, origin == .none { return nil }
    }
}
