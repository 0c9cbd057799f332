import GrapeModel
import GrapeStorage
import Synchronization

/// Writes the rows of a group as they are when it is made: header, blocks, footer. Apply goes on meanwhile; what is
/// written is one consistent moment, whose index the group's own row tells.
///
/// Thread safety: any thread; calls wait for each other. It pins a snapshot of the database, which does not close before
/// `close` is called here or the last reference goes.
package final class ShardExport: Sendable {
    fileprivate struct State: ~Copyable {
        /// nil: closed.
        var source: ExportSource?
        var check: ExportCheck
        /// Of each block that was written: where its rows begin (nil: the footer), and its checksum.
        var written: [(begin: ExportSource.Position?, sum: UInt32)] = []
        /// Number of the block that comes next.
        var next = 0
        var footer: [UInt8] = []
    }

    package let header: ExportHeader
    private let state: Mutex<State>

    /// - Parameter cluster: id of the cluster, 128 bits.
    package init(
        of group: LogGroup, cluster: [UInt8], shardCount: Int, database: Database
    ) throws(ExportError) {
        let found: Beginning?
        do throws(StorageError) {
            found = try Beginning(group, database)
        } catch {
            throw .storage(error)
        }
        guard let found else { throw .unwanted("group \(group.number) has no replica here") }
        header = ExportHeader(
            cluster: cluster, group: group, shardCount: UInt32(shardCount), state: found.state, digests: found.digests)
        state = Mutex(State(check: ExportCheck(header.encoded)))
        try state.withLock { (state) throws(ExportError) in try state.open(found, group, database) }
    }

    /// Points in the blocks that were written.
    package var points: UInt64 { state.withLock { $0.check.points } }

    /// Sum of the hashes of all points, and of the other rows that were written.
    package var digest: UInt64 { state.withLock { $0.check.digest(header) } }

    /// The next block; nil behind the footer.
    package func next() throws(ExportError) -> [UInt8]? {
        try state.withLock { (state) throws(ExportError) in try state.next(header) }
    }

    /// Goes to a block: back to one that was written before, or on to one that the receiver has from another export of the
    /// same moment, as after a restart of the sender. What lies between is read and checked all the same.
    package func seek(to block: Int) throws(ExportError) {
        try state.withLock { (state) throws(ExportError) in try state.seek(to: block, header) }
    }

    /// Gives the snapshot free.
    package func close() { state.withLock { $0.source = nil } }

    /// The moment that is exported.
    fileprivate struct Beginning {
        let snapshot: Snapshot
        let state: GroupState
        let digests: [ExportHeader.Digest]

        /// nil where the group has no replica here.
        init?(_ group: LogGroup, _ database: Database) throws(StorageError) {
            snapshot = try database.snapshot()
            let key = StateKey.group(group)
            guard let bytes = try database.get(.state, key, snapshot: snapshot) else { return nil }
            guard let state = GroupState(encoded: bytes) else {
                throw .damagedRow(path: database.path, family: .state, key: key)
            }
            self.state = state
            digests = try ExportHeader.Digest.all(of: group, state.generation, snapshot, database)
        }
    }
}

extension ShardExport.State {
    fileprivate mutating func open(
        _ begin: ShardExport.Beginning, _ group: LogGroup, _ database: Database
    ) throws(ExportError) {
        do throws(StorageError) {
            source = try ExportSource.open(group, begin.state.generation, begin.snapshot, database)
        } catch {
            throw .storage(error)
        }
    }

    fileprivate mutating func seek(to block: Int, _ header: ExportHeader) throws(ExportError) {
        guard source != nil else { throw .closed }
        guard block != next else { return }
        // The place behind the last block that was written is only known by reading that one again.
        if block < written.count || next < written.count {
            next = max(0, min(block, written.count - 1))
            if next < written.count, let begin = written[next].begin { try source?.seek(begin) }
        }
        while next < block {
            guard try self.next(header) != nil else { throw .unwanted("the export has \(next) blocks, not \(block)") }
        }
    }

    fileprivate mutating func next(_ header: ExportHeader) throws(ExportError) -> [UInt8]? {
        guard source != nil else { throw .closed }
        let isNew = next == written.count
        if isNew, check.isFinished { return nil }
        let begin = isNew ? source?.position : written[next].begin
        let block = begin == nil ? try end(isNew, header) : try records(isNew, header)
        let sum = block.span.uint32LittleEndian(at: ExportBlock.headerBytes - 4)
        if isNew {
            written.append((begin, sum))
        } else if written[next].sum != sum {
            throw .changed("block \(next) is not what it was")
        }
        next += 1
        return block
    }

    /// A block of the records that come next. New ones are counted and checked, so that a damaged store is found here.
    private mutating func records(_ isNew: Bool, _ header: ExportHeader) throws(ExportError) -> [UInt8] {
        var raw: [UInt8] = []
        raw.reserveCapacity(ExportBlock.targetBytes)
        while let record = try source?.read() ?? nil {
            guard raw.isEmpty || raw.count + record.byteCountMax <= ExportBlock.targetBytes else { break }
            guard record.byteCountMax <= ExportBlock.rawBytesMax else {
                throw .unwanted("a row of \(record.byteCountMax) bytes is more than an export can hold")
            }
            if isNew, let fault = check.take(record, header) { throw .changed(fault) }
            record.append(to: &raw)
            try source?.advance()
        }
        guard !raw.isEmpty else { throw .changed("block \(next) is empty") }
        let block = ExportBlock.seal(raw, number: UInt32(next), kind: .records)
        if isNew { check.sealed(block) }
        return block
    }

    private mutating func end(_ isNew: Bool, _ header: ExportHeader) throws(ExportError) -> [UInt8] {
        guard isNew else { return footer }
        do throws(ExportError) {
            footer = try check.end(header)
        } catch {
            throw .changed("\(error)")
        }
        return footer
    }
}
