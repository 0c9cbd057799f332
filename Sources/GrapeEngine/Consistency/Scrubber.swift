import Dispatch
import Glibc
import GrapeModel
import GrapeStorage
import Logging
import Synchronization

/// Reads again what lies on the disk, round after round, slowly: table files past all caches; of each shard the rows, which
/// are compared with the running digests and the indexes; log entries; rows of the catalog and the family `state`; chunks of
/// index checkpoints. What is found wrong is noted as a fault of the replica it belongs to, and mended as any other.
///
/// Thread safety: rounds run one at a time on a queue of their own, for as long as the engine lives and `endScans` is not
/// called; `figures` is guarded by its mutex.
package final class Scrubber: Sendable {
    private let options: ScrubOptions
    private let state = Mutex(ScrubFigures())
    private let queue = DispatchQueue(label: "grape.scrub", qos: .utility)

    private static let sleepMicroseconds: UInt64 = 50_000
    private static let stepBytes = 1 << 20

    init(_ options: ScrubOptions) { self.options = options }

    package var figures: ScrubFigures { state.withLock { $0 } }

    func start(_ engine: Engine) { plan(engine, afterSeconds: options.firstAfterSeconds) }

    private func plan(_ engine: Engine, afterSeconds seconds: Int) {
        queue.asyncAfter(deadline: .now() + .seconds(seconds)) { [weak engine, self] in
            guard let engine, !engine.isEndingScans else { return }
            run(engine)
            plan(engine, afterSeconds: options.intervalSeconds)
        }
    }

    /// One round.
    package func run(_ engine: Engine) {
        let began = ContinuousClock.now
        state.withLock { $0.isRunning = true }
        var isWhole = true
        let parts: [(String, (Engine) throws -> Void)] = [
            ("table files", readTables), ("rows", readShards), ("log", readLogs),
            ("catalog", { try self.read(.catalog, $0) }),
            ("state", { try self.read(.state, $0) }), ("index checkpoints", readChunks),
        ]
        for (name, part) in parts where !engine.isEndingScans {
            do {
                try part(engine)
            } catch {
                isWhole = false
                guard !engine.isEndingScans else { break }
                engine.logger.error("the scrub could not read on", metadata: ["part": "\(name)", "error": "\(error)"])
            }
        }
        let seconds = Double((ContinuousClock.now - began) / .milliseconds(1)) / 1_000
        state.withLock { figures in
            figures.isRunning = false
            guard isWhole, !engine.isEndingScans else { return }
            figures.rounds += 1
            figures.lastSeconds = seconds
            figures.lastEnd = ProcessStatistics.millisecondsSince1970
        }
    }

    /// Waits until so many bytes are paid for. -> false: the round ends.
    private func pace(_ bytes: Int, _ engine: Engine) -> Bool {
        state.withLock { $0.bytes += UInt64(bytes) }
        var rest = UInt64(Double(bytes) / Double(max(1, options.bytesPerSecond)) * 1e6)
        while rest > 0, !engine.isEndingScans {
            let step = min(rest, Self.sleepMicroseconds)
            usleep(UInt32(step))
            rest -= step
        }
        return !engine.isEndingScans
    }

    // MARK: Parts

    /// A damaged file belongs to all whose rows or entries it covers.
    private func readTables(_ engine: Engine) throws {
        let damaged = try engine.database.verifyTables { bytes in
            state.withLock { $0.tables += 1 }
            return pace(Int(clamping: bytes), engine)
        }
        for table in damaged {
            let family = table.family?.name ?? "?"
            let detail =
                "\(engine.database.path), family \(family): damaged data in file \(table.file): \(table.detail)"
            engine.logger.critical(
                "a table file is damaged", metadata: ["file": "\(table.file)", "detail": "\(detail)"])
            for group in groups(of: table, engine) { engine.noteFault(group, detail) }
        }
    }

    private func groups(of table: DamagedTable, _ engine: Engine) -> [LogGroup] {
        guard let family = table.family, [.vectors, .payloads, .log].contains(family),
            let first = Engine.owner(family, table.smallestKey)?.0, let last = Engine.owner(family, table.largestKey)?.0
        else { return [] }
        let held = engine.serving.withLock { Set($0.groups.keys) }
        return held.filter { (first.number...last.number).contains($0.number) }
    }

    private func readShards(_ engine: Engine) throws {
        for shard in engine.servedShards.sorted where engine.fault(of: .shard(shard)) == nil {
            guard !engine.isEndingScans, let scan = try engine.beginScan(shard) else { continue }
            let result = engine.finish(scan) { pace($0, engine) }
            state.withLock { figures in
                figures.points += scan.points
                if case .read(_, let corrections) = result { figures.indexCorrections += UInt64(corrections) }
            }
        }
    }

    /// Entries follow each other without a gap; their checksums the cursor looks at.
    private func readLogs(_ engine: Engine) throws {
        for group in LogGroup.all(shardCount: engine.shardCount) where !engine.isEndingScans {
            var from: [UInt8] = []
            from.appendBigEndian(group.number)
            let to = group.number == .max ? nil : bound(group.number + 1)
            var last: UInt64?
            let end = try walk(.log, from: from, to: to, engine) { key in
                let index = key.span.uint64BigEndian(at: 2)
                defer { last = index }
                if let before = last, index != before + 1 { return "entry \(before + 1) is missing" }
                return nil
            }
            if let fault = end { engine.noteFault(group, fault) }
        }
    }

    private func bound(_ number: UInt16) -> [UInt8] {
        var key: [UInt8] = []
        key.appendBigEndian(number)
        return key
    }

    /// What is damaged tells the observer of the store, by its key.
    private func read(_ family: ColumnFamily, _ engine: Engine) throws {
        if let fault = try walk(family, from: nil, to: nil, engine, { _ in nil }) {
            if family == .catalog { engine.noteFault(.catalog, fault) }
        }
    }

    /// A damaged chunk is none of a replica's: it is made anew from the rows at the next start.
    private func readChunks(_ engine: Engine) throws {
        _ = try walk(.indexCheckpoints, from: nil, to: nil, engine) { _ in nil }
    }

    /// -> what is wrong, in words; the walk goes on behind a damaged row.
    private func walk(
        _ family: ColumnFamily, from: [UInt8]?, to: [UInt8]?, _ engine: Engine, _ look: ([UInt8]) -> String?
    ) throws -> String? {
        var cursor = try engine.database.cursor(family, from: from, to: to)
        var isStarted = false
        var fault: String?
        var bytes = 0
        while true {
            do throws(StorageError) {
                if isStarted { try cursor.next() } else { try cursor.seekToFirst() }
                isStarted = true
            } catch {
                isStarted = true
                guard error.isDamage else { throw error }
                engine.logger.error("damage on the disk", metadata: ["family": "\(family.name)", "error": "\(error)"])
                fault = fault ?? "\(error)"
                guard cursor.isValid else { return fault }
                continue
            }
            guard cursor.isValid else { break }
            let key = cursor.key.copyBytes()
            if let found = look(key) { fault = fault ?? "\(engine.database.path), family \(family.name): \(found)" }
            bytes += key.count + cursor.value.count
            state.withLock { figures in
                if family == .log { figures.entries += 1 }
                if family == .indexCheckpoints { figures.chunks += 1 }
            }
            if bytes >= Self.stepBytes {
                guard pace(bytes, engine) else { return fault }
                bytes = 0
            }
        }
        _ = pace(bytes, engine)
        return fault
    }
}
