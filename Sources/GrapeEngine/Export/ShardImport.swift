import GrapeModel
import GrapeStorage

/// Receives an export, block by block, for a replica of this node. Rows of a shard go under a new generation, each block
/// in one batch with the row that says how far it is, so a crash or a new connection goes on with the next block. Until
/// the switch nobody looks at them.
///
/// Nothing is synced: the store's log keeps the order, and the switch is synced.
package struct ShardImport: Sendable {
    private static let format: UInt8 = 1
    /// All of a catalog; of ten thousand collections it has a few million bytes.
    private static let catalogBytesMax = 256 << 20

    package let header: ExportHeader
    private let engine: Engine
    /// Where the rows go. Shards only.
    private let generation: ReplicaGeneration
    private var check: ExportCheck
    private var catalogRows: [ExportedRow] = []
    private var catalogBytes = 0

    private var database: Database { engine.database }

    /// Goes on with what was received of this export before, else throws that away and begins.
    package init(_ encodedHeader: [UInt8], engine: Engine) throws(ExportError) {
        self.engine = engine
        header = try ExportHeader(encoded: encodedHeader)
        guard Int(header.shardCount) == engine.shardCount else {
            throw .unwanted("the export is of a cluster with \(header.shardCount) shards, not \(engine.shardCount)")
        }
        check = ExportCheck(encodedHeader)
        guard case .shard(let shard) = header.group else {
            generation = ReplicaGeneration(0)
            return
        }
        do throws(StorageError) {
            if let (generation, check) = try Self.begun(encodedHeader, header.group, engine) {
                self.generation = generation
                self.check = check
                return
            }
            try engine.deleteUnusedGenerations(of: shard)
            generation = try engine.nextGeneration(of: shard)
            var row: [UInt8] = [Self.format]
            row.appendLittleEndian(generation.rawValue)
            row.append(contentsOf: encodedHeader)
            var batch = try engine.database.makeBatch()
            batch.put(.state, key: StateKey.receiving(header.group), value: row)
            batch.put(.state, key: StateKey.receivingProgress(header.group), value: check.encoded)
            try engine.database.write(batch)
        } catch {
            throw .storage(error)
        }
    }

    /// Blocks that are here.
    package var held: Int { Int(check.next) }
    package var points: UInt64 { check.points }
    package var isComplete: Bool { check.isFinished }

    /// Takes the next block. What is not as the header said is refused, and nothing of the block is written.
    package mutating func take(_ block: [UInt8]) throws(ExportError) {
        var checked = check
        let records = try checked.take(block, of: header)
        switch header.group {
        case .catalog: try keep(records ?? [])
        case .shard(let shard):
            do throws(StorageError) {
                var batch = try database.makeBatch()
                for record in records ?? [] { put(record, shard, into: &batch) }
                if records == nil { putDigests(shard, into: &batch) }
                batch.put(.state, key: StateKey.receivingProgress(header.group), value: checked.encoded)
                try database.write(batch)
            } catch {
                throw .storage(error)
            }
        }
        check = checked
    }

    /// What is to be switched to, once all is here.
    package func image() throws(ExportError) -> GroupImage {
        precondition(isComplete, "an import is finished before it is installed")
        guard case .catalog = header.group else {
            return GroupImage(
                group: header.group, state: header.state(generation),
                finishedKeys: [StateKey.receiving(header.group), StateKey.receivingProgress(header.group)],
                catalog: nil)
        }
        guard let catalog = CatalogState(rows: catalogRows) else {
            throw .damaged(.end, "the rows are no catalog that this build knows")
        }
        return GroupImage(group: .catalog, state: header.state(.first), finishedKeys: [], catalog: catalog)
    }

    /// Throws away what was received.
    package func discard() throws(ExportError) {
        guard case .shard(let shard) = header.group else { return }
        do throws(StorageError) {
            var batch = try database.makeBatch()
            batch.delete(.state, key: StateKey.receiving(header.group))
            batch.delete(.state, key: StateKey.receivingProgress(header.group))
            try database.write(batch)
            try engine.deleteUnusedGenerations(of: shard)
        } catch {
            throw .storage(error)
        }
    }

    // MARK: Rows

    private func put(_ record: ExportRecord, _ shard: ShardID, into batch: inout WriteBatch) {
        switch record {
        case .point(let point):
            let prefix = RowKeyPrefix(shard: shard, generation: generation, collection: point.collection)
            let key = prefix.key(ofEncoded: point.id)
            let head = VectorRow.header(version: point.row.vectorVersion)
            unsafe batch.put(
                .vectors, key: key.span.bytes, header: head.span.bytes, body: point.vectorBlock.span.bytes)
            batch.put(.payloads, key: key, value: point.row.encoded)
        case .row(let row):
            let front = StateKey.rows(row.kind, shard, generation).from
            let value =
                row.kind == .rememberedOrder ? StateKey.remembered(shard, generation, key: row.value) : row.value
            batch.put(.state, key: front + row.key, value: value)
        }
    }

    private func putDigests(_ shard: ShardID, into batch: inout WriteBatch) {
        for one in header.digests {
            let prefix = RowKeyPrefix(shard: shard, generation: generation, collection: one.collection)
            batch.put(.state, key: StateKey.digest(prefix), value: one.digest.encoded)
        }
    }

    private mutating func keep(_ records: [ExportRecord]) throws(ExportError) {
        for case .row(let row) in records {
            catalogRows.append(row)
            catalogBytes += row.key.count + row.value.count
        }
        guard catalogBytes <= Self.catalogBytesMax else {
            throw .unwanted("a catalog of \(catalogBytes) bytes is more than a node can hold")
        }
    }

    // MARK: What was begun

    /// How far an import of this export has come, under which generation; nil where none was begun that still counts.
    private static func begun(
        _ encodedHeader: [UInt8], _ group: LogGroup, _ engine: Engine
    ) throws(StorageError) -> (ReplicaGeneration, ExportCheck)? {
        guard let (generation, header) = try receiving(group, engine.database), header == encodedHeader[...],
            generation > engine.generation(of: group),
            let bytes = try engine.database.get(.state, StateKey.receivingProgress(group)),
            let check = ExportCheck(encoded: bytes)
        else { return nil }
        return (generation, check)
    }

    /// Generation and header of what is being received for a group.
    static func receiving(
        _ group: LogGroup, _ database: Database
    ) throws(StorageError) -> (ReplicaGeneration, header: ArraySlice<UInt8>)? {
        guard let bytes = try database.get(.state, StateKey.receiving(group)) else { return nil }
        var reader = ByteReader(bytes)
        guard reader.integer(UInt8.self) == Self.format, let generation = reader.integer(UInt32.self),
            let header = reader.bytes(reader.count)
        else { throw .damagedRow(path: database.path, family: .state, key: StateKey.receiving(group)) }
        return (ReplicaGeneration(generation), header)
    }
}
