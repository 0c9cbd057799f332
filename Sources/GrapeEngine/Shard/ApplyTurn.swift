import GrapeModel
import GrapeStorage

/// What applying a run of entries has come to so far: one batch for the store, and what the indexes must hear once the
/// batch is written. Later entries of the turn see what earlier ones did.
struct ApplyTurn: ~Copyable {
    let database: Database
    var batch: WriteBatch
    private(set) var indexChanges: [IndexChange] = []
    /// Rows that are gone as a whole: once the batch is written, their files can go.
    private(set) var emptied: [RowKeyPrefix] = []
    /// The groups that this node holds.
    private(set) var groups: [LogGroup: GroupState]
    /// Those whose state this turn changed.
    private(set) var changed: Set<LogGroup> = []
    var catalog: CatalogState
    /// Of the shards that this turn came to so far, and those that the lanes knew before.
    var origins: [ShardID: OriginTable]
    /// Pieces of long commands that this turn keeps, by key.
    var pieces: [[UInt8]: [UInt8]] = [:]
    private var digests: [RowKeyPrefix: RowDigest] = [:]
    /// Hashes of points that this turn wrote or removed (nil), by key.
    private var hashes: [[UInt8]: UInt64?] = [:]
    private var remembered: [[UInt8]: RememberedWrite] = [:]

    init(
        database: Database, groups: [LogGroup: GroupState], catalog: CatalogState,
        origins: [ShardID: OriginTable] = [:]
    ) throws(StorageError) {
        self.database = database
        self.groups = groups
        self.catalog = catalog
        self.origins = origins
        batch = try database.makeBatch()
    }

    /// Writes what has come together as one batch; it is synced with the log's next sync, before which a crash makes
    /// the same entries come again.
    mutating func write() throws(StorageError) {
        for (prefix, digest) in digests {
            let key = StateKey.digest(prefix)
            if digest.points == 0 {
                batch.delete(.state, key: key)
            } else {
                batch.put(.state, key: key, value: digest.encoded)
            }
        }
        for shard in origins.keys { putOrigins(shard) }
        for group in changed {
            guard let state = groups[group] else { continue }
            batch.put(.state, key: StateKey.group(group), value: state.encoded)
        }
        try database.write(batch)
    }

    /// Changes the state of a group that this node holds.
    mutating func change(_ group: LogGroup, _ body: (inout GroupState) -> Void) {
        guard var state = groups[group] else { return }
        body(&state)
        groups[group] = state
        changed.insert(group)
    }

    // MARK: Points

    /// Hash of the point under this key; nil where there is none.
    private func hash(of key: [UInt8]) throws(StorageError) -> UInt64? {
        if let known = hashes[key] { return known }
        guard let row = try database.read(.payloads, key) else { return nil }
        guard let hash = PointRow.hash(of: row.bytes) else { throw damagedRow(key) }
        return hash
    }

    mutating func put(_ write: PointWrite, prefix: RowKeyPrefix, version: LogIndex) throws(StorageError) {
        let id = write.id.id.encoded
        let key = prefix.key(ofEncoded: id)
        var digest = try digest(of: prefix)
        if let old = try hash(of: key), !digest.remove(old) { throw damagedRow(StateKey.digest(prefix), .state) }
        let hash = RowDigest.hash(
            id: id, form: write.id.form, vectorVersion: version, version: version, vectorBlock: write.vectorBlock,
            payload: write.payload.json)
        digest.add(hash)
        digests[prefix] = digest
        hashes[key] = .some(hash)
        let header = VectorRow.header(version: version)
        unsafe batch.put(
            .vectors, key: key.span.bytes, header: header.span.bytes, body: write.vectorBlock.span.bytes)
        let row = PointRow(
            form: write.id.form, vectorVersion: version, version: version, hash: hash, payload: write.payload)
        batch.put(.payloads, key: key, value: row.encoded)
        indexChanges.append(
            .put(
                prefix.collection, id: id, form: write.id.form, version: version, shard: prefix.shard,
                vectorBlock: write.vectorBlock, payload: write.payload.json))
    }

    /// Whether the point was there.
    mutating func remove(_ id: PointID, prefix: RowKeyPrefix) throws(StorageError) -> Bool {
        let encoded = id.encoded
        let key = prefix.key(ofEncoded: encoded)
        guard let old = try hash(of: key) else { return false }
        var digest = try digest(of: prefix)
        guard digest.remove(old) else { throw damagedRow(StateKey.digest(prefix), .state) }
        digests[prefix] = digest
        hashes[key] = .some(nil)
        batch.delete(.vectors, key: key)
        batch.delete(.payloads, key: key)
        indexChanges.append(.remove(prefix.collection, id: encoded))
        return true
    }

    /// Removes all rows of a collection in a shard.
    mutating func removeAll(_ prefix: RowKeyPrefix) {
        batch.deleteRange(.vectors, from: prefix.lowerBound, to: prefix.upperBound)
        batch.deleteRange(.payloads, from: prefix.lowerBound, to: prefix.upperBound)
        digests[prefix] = RowDigest()
        emptied.append(prefix)
        hashes = hashes.filter { !$0.key.starts(with: prefix.lowerBound) }
    }

    private func digest(of prefix: RowKeyPrefix) throws(StorageError) -> RowDigest {
        if let digest = digests[prefix] { return digest }
        return try RowDigest.read(prefix, database)
    }

    // MARK: Remembered writes

    func rememberedWrite(_ key: [UInt8]) throws(StorageError) -> RememberedWrite? {
        if let write = remembered[key] { return write }
        guard let bytes = try database.get(.state, key) else { return nil }
        guard let write = RememberedWrite(encoded: bytes) else { throw damagedRow(key, .state) }
        return write
    }

    /// Remembers a write and forgets the one that came `Limits.rememberedWritesMax` before it in the shard.
    mutating func remember(
        _ write: RememberedWrite, key: [UInt8], shard: ShardID, generation: ReplicaGeneration, index: LogIndex
    ) throws(StorageError) {
        remembered[key] = write
        batch.put(.state, key: key, value: write.encoded)
        batch.put(.state, key: StateKey.rememberedOrder(shard, generation, index: index), value: key)
        try forget(shard, generation, before: index)
    }

    private mutating func forget(
        _ shard: ShardID, _ generation: ReplicaGeneration, before index: LogIndex
    ) throws(StorageError) {
        guard index.rawValue > UInt64(Limits.rememberedEntries) else { return }
        let from = StateKey.rememberedOrder(shard, generation, index: LogIndex(0))
        let last = LogIndex(index.rawValue - UInt64(Limits.rememberedEntries))
        let to = StateKey.rememberedOrder(shard, generation, index: last)
        var cursor = try database.cursor(.state, from: from, to: to)
        try cursor.seekToFirst()
        while cursor.isValid {
            batch.delete(.state, key: cursor.value.copyBytes())
            batch.delete(.state, key: cursor.key.copyBytes())
            try cursor.next()
        }
    }

    // MARK: Catalog

    mutating func apply(_ command: CatalogCommand) -> CatalogOutcome {
        let outcome = catalog.apply(command)
        catalog.putRows(of: outcome, into: &batch)
        return outcome
    }

    func damagedRow(_ key: [UInt8], _ family: ColumnFamily = .payloads) -> StorageError {
        .damagedRow(path: database.path, family: family, key: key)
    }
}
