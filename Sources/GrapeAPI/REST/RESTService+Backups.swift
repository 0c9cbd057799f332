import GrapeCluster
import GrapeModel

// Snapshots of the cluster and the archives that they become.

extension RESTService {
    /// How long the call waits for the snapshot's end; then it goes on by itself.
    private static let patience = Duration.seconds(25)

    func createSnapshot(_ body: [UInt8], _ node: Node) async throws(GrapeError) -> HTTPAnswer {
        let deadline = ContinuousClock.now + Self.patience
        let keep = try RequestBody.keep(body)
        let begun = try await node.createBackup(keep: keep)
        let info = try await node.backups.wait(begun, until: deadline)
        if info.state == .failed, let failure = info.failure {
            throw GrapeError(
                failure.code, "snapshot \(info.id) was not written: \(failure.message)",
                retryAfterSeconds: failure.retryAfterSeconds)
        }
        var answer = self.answer(info)
        if info.state == .running { answer.status = 202 }
        return answer
    }

    func snapshotState(_ id: String, _ node: Node) async throws(GrapeError) -> HTTPAnswer {
        answer(try await node.backups.info(id))
    }

    private func answer(_ info: BackupInfo) -> HTTPAnswer {
        HTTPAnswer(capacity: 512 + 160 * info.files.count) { json in
            json.beginObject()
            json.field("snapshot_id", info.id)
            json.field("state", info.state.rawValue)
            json.field("created_at", info.createdAt.text)
            json.field("progress", info.progress)
            if let failure = info.failure { json.field("reason", failure.message) }
            json.field("bytes", info.bytes)
            json.field("sha256", info.sha256)
            json.field("points", info.points)
            json.key("nodes")
            json.beginArray()
            for node in info.nodes { json.string(node) }
            json.endArray()
            json.key("shards")
            json.beginArray()
            for file in info.files {
                guard case .shard(let shard) = file.group else { continue }
                json.beginObject()
                json.field("shard", shard.rawValue)
                json.field("index", file.index.rawValue)
                json.field("term", file.term)
                json.field("points", file.points)
                json.field("bytes", file.bytes)
                json.field("sha256", file.sha256)
                json.endObject()
            }
            json.endArray()
            json.endObject()
        }
    }

    func latestBackup(_ node: Node) async throws(GrapeError) -> HTTPAnswer {
        let (info, holders) = try await node.backups.latest()
        var answer = HTTPAnswer(status: 200, contentType: .gzip, body: [])
        answer.headers = [
            ("Content-Disposition", "attachment; filename=\"\(info.fileName)\""), ("Grape-Snapshot-Id", info.id),
            ("Grape-Sha256", info.sha256),
        ]
        answer.stream = HTTPStream(byteCount: info.bytes) { (offset) throws(GrapeError) in
            let piece = try await node.backups.piece(of: info, at: offset, from: holders)
            return piece.count > info.bytes - offset ? Array(piece.prefix(Int(info.bytes - offset))) : piece
        }
        return answer
    }

    func verifyBackup(_ node: Node) async throws(GrapeError) -> HTTPAnswer {
        let report = try await node.backups.verify()
        return HTTPAnswer(capacity: 512) { json in
            json.beginObject()
            json.field("valid", report.errors.isEmpty)
            json.field("files", report.files)
            json.field("points", report.points)
            json.key("errors")
            json.beginArray()
            for error in report.errors { json.string(error) }
            json.endArray()
            json.field("snapshot_id", report.id)
            json.key("nodes")
            json.beginArray()
            for node in report.nodes { json.string(node) }
            json.endArray()
            json.endObject()
        }
    }
}

extension RequestBody {
    /// Newest archives that are to stay; the body may be missing.
    fileprivate static func keep(_ body: [UInt8]) throws(GrapeError) -> Int {
        guard !body.isEmpty else { return BackupOptions.keepDefault }
        var fields = try ObjectReader(document(body).root, name: "snapshot request")
        let keep = try fields.integer("keep", in: 1...BackupOptions.keepMax, default: BackupOptions.keepDefault)
        try fields.finish()
        return keep
    }
}
