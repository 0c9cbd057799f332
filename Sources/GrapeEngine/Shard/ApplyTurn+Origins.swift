import GrapeModel
import GrapeStorage

/// Repetitions and long commands: what stands between an entry of a shard's log and the command that it carries out.
extension ApplyTurn {
    /// Applies an entry unless its sequence was applied before. Every outcome is kept, refusals too: a repetition gets the
    /// same answer for ever, and who wants another one takes another sequence.
    mutating func apply(_ entry: LogEntry, shard: ShardID, index: LogIndex) throws(ApplyError) -> ApplyOutcome {
        let state = groups[.shard(shard)] ?? GroupState()
        guard entry.origin != .none else { return try perform(entry, shard: shard, state: state, index: index) }
        try loadOrigins(shard, state.generation)
        let known = origins[shard]?.meet(entry.origin, at: index)
        dropAbandoned(shard, state.generation)
        if let known { return known }
        var whole = entry
        if case .piece(let number, let count, let bytes) = entry.command {
            let complete = try take(
                piece: number, of: count, bytes, origin: entry.origin, shard: shard, generation: state.generation,
                index: index)
            guard let complete else { return .pending }
            whole = try assembled(complete, origin: entry.origin, shard: shard, index: index)
        }
        let outcome = try perform(whole, shard: shard, state: state, index: index)
        origins[shard]?.settle(entry.origin, outcome)
        dropAbandoned(shard, state.generation)
        return outcome
    }

    /// Keeps a piece. -> the command's bytes if it was the last.
    private mutating func take(
        piece number: Int, of count: Int, _ bytes: [UInt8], origin: WriteOrigin, shard: ShardID,
        generation: ReplicaGeneration, index: LogIndex
    ) throws(ApplyError) -> [UInt8]? {
        let added = origins[shard]?.add(piece: number, of: count, bytes: bytes.count, origin: origin, at: index)
        // Pieces of another cut go before the new one is put.
        dropAbandoned(shard, generation)
        guard let added else { return nil }
        func key(_ number: Int) -> [UInt8] {
            StateKey.piece(
                shard, generation, incarnation: origin.incarnation, sequence: origin.sequence, number: number)
        }
        if added.isNew {
            pieces[key(number)] = bytes
            batch.put(.state, key: key(number), value: bytes)
        }
        guard added.isComplete else { return nil }
        var whole: [UInt8] = []
        for number in 0..<count { whole += try piece(key(number)) }
        return whole
    }

    private func piece(_ key: [UInt8]) throws(ApplyError) -> [UInt8] {
        if let bytes = pieces[key] { return bytes }
        do throws(StorageError) {
            guard let bytes = try database.get(.state, key) else { throw damagedRow(key, .state) }
            return bytes
        } catch {
            throw .storage(error)
        }
    }

    private func assembled(
        _ bytes: [UInt8], origin: WriteOrigin, shard: ShardID, index: LogIndex
    ) throws(ApplyError) -> LogEntry {
        guard let entry = LogEntry(encoded: bytes), entry.origin == origin, !entry.isPiece else {
            throw .unknownEntry(group: .shard(shard), index: index)
        }
        return entry
    }

    // MARK: Rows

    private mutating func loadOrigins(_ shard: ShardID, _ generation: ReplicaGeneration) throws(ApplyError) {
        guard origins[shard] == nil else { return }
        do throws(StorageError) {
            origins[shard] = try OriginTable.read(shard, generation, database)
        } catch {
            throw .storage(error)
        }
    }

    private mutating func dropAbandoned(_ shard: ShardID, _ generation: ReplicaGeneration) {
        for abandoned in origins[shard]?.takeAbandoned() ?? [] {
            for number in abandoned.command.numbers {
                let key = StateKey.piece(
                    shard, generation, incarnation: abandoned.incarnation, sequence: abandoned.command.sequence,
                    number: number)
                pieces[key] = nil
                batch.delete(.state, key: key)
            }
        }
    }

    mutating func putOrigins(_ shard: ShardID) {
        let generation = groups[.shard(shard)]?.generation ?? .first
        for (incarnation, window) in origins[shard]?.takeChanges() ?? [] {
            let key = StateKey.origins(shard, generation, incarnation: incarnation)
            if let window {
                batch.put(.state, key: key, value: window.encoded)
            } else {
                batch.delete(.state, key: key)
            }
        }
    }
}

extension LogEntry {
    fileprivate var isPiece: Bool {
        if case .piece = command { true } else { false }
    }
}

extension OriginTable {
    /// The table that the rows of a shard's generation describe.
    package static func read(
        _ shard: ShardID, _ generation: ReplicaGeneration, _ database: Database
    ) throws(StorageError) -> OriginTable {
        var windows: [UInt64: OriginWindow] = [:]
        let (from, to) = StateKey.origins(shard, generation)
        var cursor = try database.cursor(.state, from: from, to: to)
        try cursor.seekToFirst()
        while cursor.isValid {
            let key = cursor.key.copyBytes()
            guard key.count == from.count + MemoryLayout<UInt64>.size,
                let window = OriginWindow(encoded: cursor.value.copyBytes())
            else { throw .damagedRow(path: database.path, family: .state, key: key) }
            windows[UInt64(bigEndianBytes: key.dropFirst(from.count))] = window
            try cursor.next()
        }
        return OriginTable(windows: windows)
    }
}
