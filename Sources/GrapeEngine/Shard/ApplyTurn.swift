import GrapeModel
import GrapeStorage

/// What applying a run of entries has come to so far: one batch for the store, and what the indexes must hear once the
/// batch is written. Later entries of the turn see what earlier ones did.
struct ApplyTurn: ~Copyable {
    let database: Database
    private(set) var batch: WriteBatch
    private(set) var indexChanges: [IndexChange] = []
    /// Rows that are gone as a whole: once the batch is written, their files can go.
    private(set) var emptied: [RowKeyPrefix] = []
    var groups: [LogGroup: GroupState]
    var catalog: CatalogState
    private var digests: [RowKeyPrefix: RowDigest] = [:]
    /// Hashes of points that this turn wrote or removed (nil), by key.
    private var hashes: [[UInt8]: UInt64?] = [:]
    private var remembered: [[UInt8]: RememberedWrite] = [:]

    init(
        database: Database, groups: [LogGroup: GroupState], catalog: CatalogState
    ) throws(StorageError) {
        self.database = database
        self.groups = groups
        self.catalog = catalog
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
        for (group, state) in groups {
            batch.put(.state, key: StateKey.group(group), value: state.encoded)
        }
        try database.write(batch)
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
        if let old = try hash(of: key) { digest.remove(old) }
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
            .put(prefix.collection, id: id, version: version, shard: prefix.shard, vectorBlock: write.vectorBlock))
    }

    /// Whether the point was there.
    mutating func remove(_ id: PointID, prefix: RowKeyPrefix) throws(StorageError) -> Bool {
        let encoded = id.encoded
        let key = prefix.key(ofEncoded: encoded)
        guard let old = try hash(of: key) else { return false }
        var digest = try digest(of: prefix)
        digest.remove(old)
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
        let key = StateKey.digest(prefix)
        guard let bytes = try database.get(.state, key) else { return RowDigest() }
        guard let digest = RowDigest(encoded: bytes) else { throw damagedRow(key, .state) }
        return digest
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
        guard case .done(let id, _) = outcome else { return outcome }
        if let entry = catalog.entry(id) {
            batch.put(.catalog, key: CatalogKey.entry(id), value: entry.encoded)
        } else {
            batch.delete(.catalog, key: CatalogKey.entry(id))
            batch.deleteRange(
                .indexCheckpoints, from: CheckpointKey.lowerBound(id), to: CheckpointKey.upperBound(id))
        }
        batch.put(.catalog, key: CatalogKey.head, value: catalog.encodedHead)
        return outcome
    }

    private func damagedRow(_ key: [UInt8], _ family: ColumnFamily = .payloads) -> StorageError {
        .damagedRow(path: database.path, family: family, key: key)
    }
}
