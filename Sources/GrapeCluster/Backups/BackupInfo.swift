import GrapeEngine
import GrapeModel

/// A snapshot of the cluster: on its way, written, or failed. The file beside an archive holds one as JSON, and nodes send
/// it to each other in the same form.
package struct BackupInfo: Sendable, Equatable {
    package enum State: String, Sendable, CaseIterable {
        case running, written, failed
    }

    package var id: String
    package var createdAt: Timestamp
    package var state = State.running
    /// 0 to 1.
    package var progress = 0.0
    /// Why it failed.
    package var failure: GrapeError?
    /// Of the archive, and its SHA-256 in hex.
    package var bytes: UInt64 = 0
    package var sha256 = ""
    /// Newest archives that stay.
    package var keep: Int
    /// Node ids that have a copy.
    package var nodes: [String] = []
    package var files: [BackupManifest.File] = []

    package init(id: String, createdAt: Timestamp, keep: Int) {
        self.id = id
        self.createdAt = createdAt
        self.keep = keep
    }

    package var points: UInt64 { files.reduce(0) { $0 &+ $1.points } }

    package var fileName: String { id + ".tar.gz" }

    package var encoded: [UInt8] {
        var json = JSONWriter(capacity: 512 + 256 * files.count)
        json.beginObject()
        json.field("snapshot_id", id)
        json.field("state", state.rawValue)
        json.field("created_at", createdAt.text)
        json.field("progress", progress)
        if let failure {
            json.field("failure", failure.message)
            json.field("failure_code", failure.code.rawValue)
        }
        json.field("bytes", bytes)
        json.field("sha256", sha256)
        json.field("keep", keep)
        json.key("nodes")
        json.beginArray()
        for node in nodes { json.string(node) }
        json.endArray()
        json.key("groups")
        json.beginArray()
        for file in files { file.write(to: &json) }
        json.endArray()
        json.endObject()
        return json.bytes
    }

    package init(encoded bytes: [UInt8]) throws(GrapeError) {
        var fields = try ObjectReader(JSONDocument(parsing: bytes).root, name: "snapshot")
        let id = try fields.requiredString("snapshot_id")
        guard BackupManifest.isValid(id: id) else { throw fields.failure("snapshot_id", "is none") }
        guard let at = Timestamp(Array(try fields.requiredString("created_at").utf8).span) else {
            throw fields.failure("created_at", "is no date")
        }
        self.init(
            id: id, createdAt: at, keep: try fields.required(integer: "keep", in: 1...BackupOptions.keepMax))
        state = try fields.choice("state", default: .failed)
        progress = try fields.double("progress") ?? 0
        if let message = try fields.string("failure") {
            let code = try fields.string("failure_code").flatMap(GrapeError.Code.init(rawValue:))
            failure = GrapeError(code ?? .internalError, message)
        }
        self.bytes = try fields.required(unsigned: "bytes")
        sha256 = try fields.requiredString("sha256")
        nodes = (try fields.array("nodes", max: 1_000) ?? []).compactMap(\.string)
        for (place, node) in (try fields.array("groups", max: Int(UInt16.max) + 1) ?? []).enumerated() {
            files.append(try BackupManifest.File(ObjectReader(node, name: "groups", at: place)))
        }
        try fields.finish()
    }

    /// An id that sorts by time, then by the node that makes the snapshot.
    static func newID(milliseconds: UInt64, node: NodeNumber) -> String {
        let digits = Timestamp(millisecondsSince1970: milliseconds).text.filter(\.isNumber)
        let rest = String(milliseconds % 1_000 + 1_000).dropFirst()
        return "snapshot-\(digits)\(rest)-\(node)"
    }
}

/// What re-reading an archive came to.
package struct BackupReport: Sendable, Equatable {
    package var id: String
    /// Files read, in all copies of the archive.
    package var files = 0
    package var points: UInt64 = 0
    package var errors: [String] = []
    package var nodes: [String] = []

    package init(id: String) { self.id = id }

    package var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendSized(id.utf8)
        bytes.appendLittleEndian(UInt32(files))
        bytes.appendLittleEndian(points)
        bytes.appendLittleEndian(UInt32(errors.count))
        for error in errors { bytes.appendSized(error.utf8) }
        return bytes
    }

    package init?(reader: inout ByteReader) {
        guard let id = reader.text(), let files = reader.integer(UInt32.self), let points = reader.integer(UInt64.self),
            let count = reader.integer(UInt32.self), Int(count) <= reader.count / 4
        else { return nil }
        self.init(id: id)
        self.files = Int(files)
        self.points = points
        for _ in 0..<count {
            guard let error = reader.text() else { return nil }
            errors.append(error)
        }
    }
}
