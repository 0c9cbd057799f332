/// Every bound on what comes in, in one place. Those that an operator may change are `var` and come from `[limits]`
/// and `[server]` of the configuration.
package struct Limits: Sendable, Hashable {
    /// Points in one batch.
    package var maxBatchSize = 10_000
    /// `limit + offset` of one search.
    package var maxSearchResults = 10_000
    /// Bytes of one point's payload, as compact JSON.
    package var maxPayloadBytes = 1_048_576
    /// Components of one vector.
    package var maxDimension = 65_536

    /// UTF-8 bytes of a point id in text form.
    package static let idBytesMax = 512
    /// UTF-8 bytes of a collection's or a named vector's name.
    package static let nameBytesMax = 255
    /// Depth of nested arrays and objects in a request.
    package static let jsonDepthMax = 128
    /// Conditions in one filter, nested ones counted.
    package static let filterConditionsMax = 1_024
    /// Bytes of an `Idempotency-Key`.
    package static let idempotencyKeyBytesMax = 255
    /// Searches in one batch of searches.
    package static let searchBatchMax = 1_000
    /// Points in one batch of a restore.
    package static let restoreBatchMax = 100_000
    /// Writes that wait for the commit log, in bytes, before new ones are refused as overload.
    package static let waitingWriteBytesMax = 64 << 20
    /// Reads and searches that wait for a thread before new ones are refused as overload.
    package static let waitingReadsMax = 4_096
    /// An idempotency key is forgotten when its shard's log has so many further entries.
    package static let rememberedEntries = 100_000
    /// Bytes of one entry of a log; a longer command travels in pieces.
    package static let entryBytesMax = 256 << 10
    /// Pieces of one command.
    package static let commandPiecesMax = 16_384
    /// Bytes of pieces that a shard keeps of commands that are not complete; the one begun first goes, never the only one.
    package static let unfinishedBytesMax = 256 << 20
    /// Outcomes that a shard keeps of one run of a router.
    package static let originSequencesMax = 1_024
    /// Runs of routers whose outcomes a shard keeps; the one idle longest goes.
    package static let originIncarnationsMax = 256

    package init() {}
}
