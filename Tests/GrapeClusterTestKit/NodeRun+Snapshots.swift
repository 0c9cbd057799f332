import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage
import GrapeTestKit

/// What is said about an export that travels.
enum SnapshotPart {
    /// From the sender: what is coming.
    case begin(header: [UInt8], GroupMessage)
    case block(number: Int, [UInt8])
    /// From the receiver: so many blocks are here; nil where nothing is known of the export.
    case held(Int?)
    case ended(isTaken: Bool)
}

/// An export on its way to a replica that is too far behind for the log.
struct SendingSnapshot {
    let transfer: UInt64
    let message: GroupMessage
    let export: ShardExport
    /// What was said last, again where no answer comes.
    var last: SnapshotPart
    var sentAt: UInt64
    let deadline: UInt64
}

struct ReceivingSnapshot {
    let transfer: UInt64
    let message: GroupMessage
    var rows: ShardImport
}

/// What `SnapshotService` does in production: exports go block by block, go on where they stopped, and are installed when
/// they are whole and verified.
extension NodeRun {
    private static let patience: UInt64 = 80_000
    private static let repetition: UInt64 = 12_000
    private static let cluster = [UInt8](repeating: 7, count: 16)

    func sendSnapshot(_ message: GroupMessage) {
        let export: ShardExport
        do throws(ExportError) {
            export = try ShardExport(
                of: message.group, cluster: Self.cluster, shardCount: world.options.shards, database: database)
        } catch {
            return world.note(.storage, "node \(number) can't export: \(error)")
        }
        world.coverage.count(.snapshotsSent)
        let sending = SendingSnapshot(
            transfer: world.seeds.next(), message: message, export: export,
            last: .begin(header: export.header.encoded, message), sentAt: world.now,
            deadline: world.now + Self.patience)
        sendings.append(sending)
        say(sending.last, sending.transfer, to: message.message.to.node)
    }

    private func say(_ part: SnapshotPart, _ transfer: UInt64, to node: NodeNumber) {
        world.send(.snapshot(part, transfer: transfer, from: number), from: self.node.place, toNode: node)
    }

    func tickSnapshots() {
        for sending in sendings {
            if world.now > sending.deadline {
                end(sending.transfer, isTaken: false)
            } else if world.now > sending.sentAt + Self.repetition,
                let place = sendings.firstIndex(where: { $0.transfer == sending.transfer })
            {
                sendings[place].sentAt = world.now
                say(sending.last, sending.transfer, to: sending.message.message.to.node)
            }
        }
    }

    func closeSnapshots() {
        for sending in sendings { sending.export.close() }
        sendings = []
    }

    private func end(_ transfer: UInt64, isTaken: Bool) {
        guard let place = sendings.firstIndex(where: { $0.transfer == transfer }) else { return }
        let sending = sendings.remove(at: place)
        sending.export.close()
        happen { () throws(StorageError) in
            self.loop.reportSnapshot(sending.message.group, to: sending.message.message.to, succeeded: isTaken)
        }
    }

    func heard(_ part: SnapshotPart, transfer: UInt64, from sender: NodeNumber) throws(StorageError) {
        switch part {
        case .begin(let header, let message): try begin(header, message, transfer, sender)
        case .block(let number, let bytes): try take(bytes, number, transfer, sender)
        case .held(let count): goOn(transfer, from: count)
        case .ended(let isTaken): end(transfer, isTaken: isTaken)
        }
    }

    // MARK: At the sender

    private func goOn(_ transfer: UInt64, from count: Int?) {
        guard let place = sendings.firstIndex(where: { $0.transfer == transfer }) else { return }
        let sending = sendings[place]
        var part = SnapshotPart.begin(header: sending.export.header.encoded, sending.message)
        if let count {
            do throws(ExportError) {
                try sending.export.seek(to: count)
                guard let block = try sending.export.next() else { return }
                part = .block(number: count, block)
            } catch {
                // An answer that came late speaks of a block that is to be written yet.
                if case .unwanted = error { return }
                return world.note(.storage, "node \(number) can't go on exporting: \(error)")
            }
            if count > 0 { world.coverage.count(.snapshotBlocksBehindTheFirst) }
        } else {
            world.coverage.count(.snapshotsBegunAgain)
        }
        sendings[place].last = part
        sendings[place].sentAt = world.now
        say(part, transfer, to: sending.message.message.to.node)
    }

    // MARK: At the receiver

    private func begin(
        _ header: [UInt8], _ message: GroupMessage, _ transfer: UInt64, _ sender: NodeNumber
    ) throws(StorageError) {
        guard let driver = loop.driver(message.group), driver.id == message.message.to, !driver.isInstalling else {
            return say(.ended(isTaken: false), transfer, to: sender)
        }
        let rows: ShardImport
        do throws(ExportError) {
            rows = try ShardImport(header, engine: engine)
        } catch {
            return refuse(error, message.group)
        }
        if rows.held > 0 { world.coverage.count(.snapshotsResumed) }
        receivings[message.group] = ReceivingSnapshot(transfer: transfer, message: message, rows: rows)
        try goOn(message.group, sender)
    }

    /// Asks for the next block; or there is none: all of them may have come before the last start already.
    private func goOn(_ group: LogGroup, _ sender: NodeNumber) throws(StorageError) {
        guard let receiving = receivings[group] else { return }
        guard receiving.rows.isComplete else {
            return say(.held(receiving.rows.held), receiving.transfer, to: sender)
        }
        receivings[group] = nil
        let isTaken = try install(receiving.rows, receiving.message)
        say(.ended(isTaken: isTaken), receiving.transfer, to: sender)
    }

    private func take(
        _ block: [UInt8], _ number: Int, _ transfer: UInt64, _ sender: NodeNumber
    ) throws(StorageError) {
        guard let (group, receiving) = receivings.first(where: { $0.value.transfer == transfer }) else {
            return say(.held(nil), transfer, to: sender)
        }
        var rows = receiving.rows
        if number == rows.held, !rows.isComplete {
            if strikesAtStorage(.crashesAtBlock, times: Self.rareTimes) { throw .closed(path: Self.path) }
            do throws(ExportError) {
                try rows.take(block)
            } catch {
                return refuse(error, group)
            }
            if strikesAtStorage(.crashesAtBlock, times: Self.rareTimes) { throw .closed(path: Self.path) }
            receivings[group]?.rows = rows
        }
        try goOn(group, sender)
    }

    private func install(_ rows: ShardImport, _ message: GroupMessage) throws(StorageError) -> Bool {
        let image: GroupImage
        do throws(ExportError) {
            image = try rows.image()
        } catch {
            refuse(error, message.group)
            return false
        }
        if world.options.plantedBug == .snapshotUnverified { try loseRow(of: image) }
        if world.options.plantedBug == .originsLeftOut { try loseOrigins(of: image) }
        let isTaken = try loop.install(
            SnapshotImage(
                group: image.group, state: image.state, finishedKeys: image.finishedKeys, catalog: image.catalog),
            from: message.message.from, term: message.message.term)
        if !isTaken {
            world.coverage.count(.snapshotsRefused)
            try? rows.discard()
        }
        return isTaken
    }

    private func refuse(_ error: ExportError, _ group: LogGroup) {
        receivings[group] = nil
        if case .storage(let storage) = error, storage.isWriteStop || isCrashing { return }
        world.note(.storage, "node \(number) refuses an export of group \(group.number): \(error)")
    }

    /// Planted.
    private func loseOrigins(of image: GroupImage) throws(StorageError) {
        guard case .shard(let shard) = image.group else { return }
        var prefix: [UInt8] = [0x07]
        prefix.appendBigEndian(shard.rawValue)
        prefix.appendBigEndian(image.state.generation.rawValue)
        var batch = try database.makeBatch()
        batch.deleteRange(.state, from: prefix, to: prefix + [UInt8](repeating: 0xFF, count: 9))
        try database.write(batch)
    }

    /// Planted.
    private func loseRow(of image: GroupImage) throws(StorageError) {
        guard case .shard(let shard) = image.group else { return }
        let from = RowKeyPrefix(shard: shard, generation: image.state.generation, collection: CollectionID(0))
        let key: [UInt8]? = try {
            () throws(StorageError) in
            var cursor = try database.cursor(.payloads, from: from.lowerBound)
            try cursor.seekToFirst()
            return cursor.isValid ? cursor.key.copyBytes() : nil
        }()
        guard let key else { return }
        var batch = try database.makeBatch()
        batch.delete(.payloads, key: key)
        try database.write(batch)
    }
}
