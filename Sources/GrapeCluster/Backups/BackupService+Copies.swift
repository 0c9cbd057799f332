import GrapeEngine
import GrapeModel
import GrapeStorage

/// Archives on several nodes: who has which, copies, and which are to go.
extension BackupService {
    /// Archives by node id, those of nodes that answer.
    func archives() async -> [(member: Member?, nodeID: String, infos: [BackupInfo])] {
        var found: [(member: Member?, nodeID: String, infos: [BackupInfo])] = [(nil, nodeOptions.nodeID, store.all)]
        await withTaskGroup(of: (Member, [BackupInfo])?.self) { group in
            for member in others() {
                group.addTask {
                    guard case .list(let infos)? = try? await self.ask(.list, member.number) else { return nil }
                    return (member, infos)
                }
            }
            for await case let (member, infos)? in group { found.append((member, member.nodeID, infos)) }
        }
        return found
    }

    /// Asks another node to copy an archive from here. -> its node id; nil where no other one could.
    func copy(_ id: String) async -> String? {
        for member in others().prefix(BackupOptions.copies + 1) {
            do throws(GrapeError) {
                guard
                    case .done = try await ask(
                        .fetch(id, from: node), member.number, timeout: options.longRequestTimeout)
                else { continue }
                return member.nodeID
            } catch {
                logger.warning(
                    "an archive was not copied",
                    metadata: ["snapshot": "\(id)", "to": "\(member.nodeID)", "reason": "\(error.message)"])
            }
        }
        return nil
    }

    /// Removes all but the newest, on all nodes that answer.
    func prune(keep: Int) async {
        let archives = await archives()
        let ids = Set(archives.flatMap { $0.infos.map(\.id) }).sorted(by: >)
        let old = Array(ids.dropFirst(keep))
        guard !old.isEmpty else { return }
        for place in archives where place.infos.contains(where: { old.contains($0.id) }) {
            do throws(GrapeError) {
                if let member = place.member {
                    _ = try await ask(.remove(old), member.number)
                } else {
                    try remove(old)
                }
            } catch {
                logger.warning(
                    "old archives were not removed", metadata: ["node": "\(place.nodeID)", "reason": "\(error)"])
            }
        }
    }

    func remove(_ ids: [String]) throws(GrapeError) {
        do throws(StorageError) {
            for id in ids where store.info(id) != nil { try store.remove(id) }
        } catch {
            throw GrapeError(error)
        }
    }

    /// Copies an archive from another node. It counts when all of it is here and has the SHA-256 that it had there.
    func fetch(_ id: String, from source: NodeNumber) async throws(GrapeError) {
        guard store.info(id) == nil else { return }
        guard case .info(var info) = try await ask(.info(id), source), info.bytes > 0 else {
            throw GrapeError(.notFound, "node \(source) has no archive \(id)")
        }
        try refuse(lacking: info.bytes + options.spareBytes)
        do throws(GrapeError) {
            let (store, pace, known) = (store, work.pace(), info)
            let file = try await work.run { () throws(ArchiveError) in try ArchiveCopy(store, known) }
            var offset: UInt64 = 0
            while offset < info.bytes {
                guard case .bytes(let piece) = try await ask(.read(id, offset: offset), source), !piece.isEmpty else {
                    throw GrapeError(.unavailable, "node \(source) gave too little of archive \(id)")
                }
                offset += UInt64(piece.count)
                try await work.run { () throws(ArchiveError) in
                    try pace.note(piece.count)
                    try file.add(piece)
                }
            }
            info.state = .written
            let whole = info
            try await work.run { () throws(ArchiveError) in try file.publish(whole) }
        } catch {
            store.discard(id)
            throw error
        }
    }

    // MARK: Other nodes

    func ask(
        _ request: BackupRequest, _ node: NodeNumber, timeout: Duration? = nil
    ) async throws(GrapeError) -> BackupAnswer {
        guard let peers else { throw GrapeError(.unavailable, "this node is alone") }
        let bytes: [UInt8]
        do throws(PeerFailure) {
            bytes = try await peers.request(
                request.encoded, to: node, lane: .bulk, deadline: .now + (timeout ?? options.requestTimeout))
        } catch {
            throw GrapeError(.unavailable, error.message, retryAfterSeconds: 1)
        }
        switch BackupAnswer(encoded: bytes) {
        case .failed(let error)?: throw error
        case let answer?: return answer
        case nil: throw GrapeError(.unavailable, "node \(node) gave no answer that this build knows")
        }
    }

    /// Answers another node's request.
    package func answer(_ body: [UInt8]) async -> [UInt8] {
        guard let request = BackupRequest(encoded: body) else {
            return BackupAnswer.failed(GrapeError(.notImplemented, "a request that this build does not know")).encoded
        }
        do throws(GrapeError) {
            return try await answer(request).encoded
        } catch {
            return BackupAnswer.failed(error).encoded
        }
    }

    private func answer(_ request: BackupRequest) async throws(GrapeError) -> BackupAnswer {
        switch request {
        case .start(let keep): return .info(try start(keep: keep))
        case .info(let id): return ownInfo(id).map(BackupAnswer.info) ?? .unknown
        case .list: return .list(store.all)
        case .read(let id, let offset): return try await .bytes(piece(id, at: offset))
        case .fetch(let id, let source):
            try await fetch(id, from: source)
            return .done
        case .remove(let ids):
            try remove(ids)
            return .done
        case .verify(let id): return .report(try await verifyHere(id))
        case .open(let group): return try await open(group)
        case .block(let session, let number):
            let sessions = sessions
            let block = try await work.run { () throws(ArchiveError) in
                do throws(ExportError) {
                    return try sessions.block(session, number)
                } catch {
                    throw .export(file: "session \(session)", error)
                }
            }
            return block.map(BackupAnswer.bytes) ?? .unknown
        }
    }

    private func open(_ group: LogGroup) async throws(GrapeError) -> BackupAnswer {
        guard case .shard(let shard) = group, cluster.answers(for: shard) else {
            throw GrapeError(.unavailable, "this node does not hold group \(group.number)", retryAfterSeconds: 1)
        }
        try await consensus.barrier([group], deadline: .now + options.requestTimeout)
        let (engine, id) = (engine, Array(clusterID.encoded.dropFirst()))
        let export = try await work.run { () throws(ArchiveError) in
            do throws(ExportError) {
                return try ShardExport(of: group, cluster: id, shardCount: engine.shardCount, database: engine.database)
            } catch {
                throw .export(file: BackupManifest.File.name(of: group), error)
            }
        }
        return .opened(try sessions.add(export), header: export.header.encoded)
    }

    /// A piece of an archive of this node; none behind its end.
    func piece(_ id: String, at offset: UInt64) async throws(GrapeError) -> [UInt8] {
        guard store.info(id) != nil else {
            throw GrapeError(.notFound, "node \(nodeOptions.nodeID) has no archive \(id)")
        }
        let path = store.path(id)
        return try await work.run { () throws(ArchiveError) in
            do throws(StorageError) {
                return try InputFile(path).read(max: BackupRequest.pieceBytes, at: offset)
            } catch {
                throw .storage(error)
            }
        }
    }
}
