import GrapeEngine
import GrapeModel
import GrapeStorage
import Synchronization

/// Exports of groups that other nodes hold, block by block. Each block is checked as it comes.
struct RemoteExports: Sendable {
    let cluster: ClusterState
    let peers: (any PeerRequests)?
    let options: BackupOptions

    /// Writes the export of a shard to a file. A node that goes away meanwhile is followed by another, from the beginning.
    func export(
        _ group: LogGroup, to path: String, _ work: BackupWork
    ) async throws(GrapeError) -> BackupManifest.File {
        guard case .shard(let shard) = group, let peers else {
            throw GrapeError(.unavailable, "no node holds group \(group.number)", retryAfterSeconds: 1)
        }
        let giveUpAt = ContinuousClock.now + options.patience
        var last = "no node that holds it can be reached"
        while ContinuousClock.now < giveUpAt, !work.isOver {
            for node in cluster.holders(excluding: [cluster.node])[shard] ?? [] {
                do throws(GrapeError) {
                    return try await read(group, from: node, peers, path, work)
                } catch {
                    // What this node's own disk refuses no other node can help with.
                    if error.code == .diskFull { throw error }
                    last = error.message
                }
            }
            try? await Task.sleep(for: options.pause)
        }
        throw GrapeError(.unavailable, "shard \(shard) could not be exported: \(last)", retryAfterSeconds: 1)
    }

    private func read(
        _ group: LogGroup, from node: NodeNumber, _ peers: any PeerRequests, _ path: String, _ work: BackupWork
    ) async throws(GrapeError) -> BackupManifest.File {
        guard case .opened(let session, let header) = try await ask(.open(group), node, peers) else {
            throw GrapeError(.unavailable, "node \(node) does not export group \(group.number)")
        }
        let pace = work.pace()
        let writer = try await work.run { () throws(ArchiveError) in try CheckedExport(header, group, path) }
        var number: UInt32 = 0
        while true {
            guard case .bytes(let block) = try await ask(.block(session, number: number), node, peers) else {
                throw GrapeError(.unavailable, "node \(node) has given up the export of group \(group.number)")
            }
            let file = try await work.run { () throws(ArchiveError) in
                try pace.note(block.count)
                return try writer.take(block)
            }
            number += 1
            guard let file else { continue }
            // Behind the footer there is nothing: the other side hears that it is not needed any more.
            _ = try? await ask(.block(session, number: number), node, peers)
            return file
        }
    }

    /// Lost requests are sent again: asking twice does no harm.
    private func ask(
        _ request: BackupRequest, _ node: NodeNumber, _ peers: any PeerRequests
    ) async throws(GrapeError) -> BackupAnswer {
        var last = ""
        for _ in 0..<3 {
            do throws(PeerFailure) {
                let bytes = try await peers.request(
                    request.encoded, to: node, lane: .bulk, deadline: .now + options.requestTimeout)
                guard let answer = BackupAnswer(encoded: bytes) else { break }
                if case .failed(let error) = answer { throw PeerFailure(mayHaveArrived: true, message: error.message) }
                return answer
            } catch {
                last = error.message
                try? await Task.sleep(for: options.pause)
            }
        }
        throw GrapeError(.unavailable, last.isEmpty ? "node \(node) gave no answer that this build knows" : last)
    }
}

/// An export that comes from elsewhere, on its way into a file.
///
/// Thread safety: `state` is guarded by its mutex.
private final class CheckedExport: Sendable {
    private struct State: ~Copyable {
        var reader = ExportReader()
        var file: ExportFile
    }

    private let name: String
    private let state: Mutex<State>

    init(_ header: [UInt8], _ group: LogGroup, _ path: String) throws(ArchiveError) {
        name = BackupManifest.File.name(of: group)
        var reader = ExportReader()
        reader.feed(header)
        let item = try Self.reading(name) { () throws(ExportError) in try reader.next() }
        guard case .header(let found)? = item, found.group == group else {
            throw .damaged(file: name, "another group's export came")
        }
        let file = try ExportFile(path, header: found)
        state = Mutex(State(reader: reader, file: file))
    }

    /// -> what the manifest says of the file, once its footer is there.
    func take(_ block: [UInt8]) throws(ArchiveError) -> BackupManifest.File? {
        try state.withLock { (state) throws(ArchiveError) in
            state.reader.feed(block)
            guard let item = try Self.reading(name, { () throws(ExportError) in try state.reader.next() }) else {
                throw .damaged(file: name, "a block came that is none")
            }
            try state.file.add(block)
            guard case .end = item, let digest = state.reader.digest else { return nil }
            return state.file.described(digest: digest)
        }
    }

    private static func reading<Result>(
        _ name: String, _ body: () throws(ExportError) -> Result
    ) throws(ArchiveError) -> Result {
        do throws(ExportError) {
            return try body()
        } catch {
            throw .export(file: name, error)
        }
    }
}
