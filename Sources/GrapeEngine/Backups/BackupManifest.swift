import GrapeModel
import GrapeStorage

/// What an archive begins with: of which cluster it is, and of each group what its export says. docs/BACKUP_FORMAT.md
/// has the bytes.
package struct BackupManifest: Sendable, Equatable {
    /// The export of one group.
    package struct File: Sendable, Equatable {
        package var group: LogGroup
        /// The last entry that is in it, and that entry's term.
        package var index: LogIndex
        package var term: UInt64
        package var points: UInt64
        /// Sum of the hashes of all points and other rows, modulo 2⁶⁴.
        package var digest: UInt64
        package var bytes: UInt64
        /// Of the file, in hex.
        package var sha256: String

        package init(
            group: LogGroup, index: LogIndex, term: UInt64, points: UInt64, digest: UInt64, bytes: UInt64,
            sha256: String
        ) {
            self.group = group
            self.index = index
            self.term = term
            self.points = points
            self.digest = digest
            self.bytes = bytes
            self.sha256 = sha256
        }

        package var name: String { Self.name(of: group) }

        package static func name(of group: LogGroup) -> String {
            if case .shard(let shard) = group { "shard-\(shard).export" } else { "catalog.export" }
        }
    }

    package static let format = 1
    package static let name = "manifest.json"
    /// Room for 65,535 groups.
    static let bytesMax = 32 << 20

    package var id: String
    package var cluster: PointID
    package var createdAt: Timestamp
    /// Of the build that wrote it.
    package var version: String
    package var shardCount: Int
    /// Collections that took writes when it was begun and when it was complete. Rows of others may be in the exports.
    package var collections: [CollectionID]
    /// The catalog, then all shards in their order.
    package var files: [File]

    package init(
        id: String, cluster: PointID, createdAt: Timestamp, version: String, shardCount: Int,
        collections: [CollectionID], files: [File]
    ) {
        self.id = id
        self.cluster = cluster
        self.createdAt = createdAt
        self.version = version
        self.shardCount = shardCount
        self.collections = collections
        self.files = files
    }

    package var points: UInt64 { files.reduce(0) { $0 &+ $1.points } }

    /// A name that files and paths can have: nothing in it means a path.
    package static func isValid(id: String) -> Bool {
        (1...64).contains(id.utf8.count)
            && id.utf8.allSatisfy { byte in
                byte == UInt8(ascii: "-") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
            }
    }

    // MARK: JSON

    package var encoded: [UInt8] {
        var json = JSONWriter(capacity: 1_024 + 256 * files.count)
        json.beginObject()
        json.field("format", Self.format)
        json.field("snapshot_id", id)
        json.field("cluster_id", cluster.text)
        json.field("created_at", createdAt.text)
        json.field("version", version)
        json.field("shard_count", shardCount)
        json.key("collections")
        json.beginArray()
        for collection in collections { json.integer(collection.rawValue) }
        json.endArray()
        json.key("groups")
        json.beginArray()
        for file in files { file.write(to: &json) }
        json.endArray()
        json.endObject()
        return json.bytes + [UInt8(ascii: "\n")]
    }

    package init(encoded bytes: [UInt8]) throws(ArchiveError) {
        let (format, manifest): (Int, BackupManifest?)
        do throws(GrapeError) {
            var fields = try ObjectReader(JSONDocument(parsing: bytes).root, name: Self.name)
            format = try fields.required(integer: "format", in: 1...Int(Int32.max))
            manifest = format == Self.format ? try BackupManifest(&fields) : nil
            if manifest != nil { try fields.finish() }
        } catch {
            throw .damaged(file: Self.name, error.message)
        }
        guard let manifest else { throw .newer(version: format) }
        if let fault = manifest.fault { throw .damaged(file: Self.name, fault) }
        self = manifest
    }

    private init(_ fields: inout ObjectReader) throws(GrapeError) {
        id = try fields.requiredString("snapshot_id")
        let uuid = PointID(canonical: Array(try fields.requiredString("cluster_id").utf8))
        guard case .uuid = uuid else { throw fields.failure("cluster_id", "is no UUID") }
        cluster = uuid
        guard let at = Timestamp(Array(try fields.requiredString("created_at").utf8).span) else {
            throw fields.failure("created_at", "is no date")
        }
        createdAt = at
        version = try fields.requiredString("version")
        shardCount = try fields.required(integer: "shard_count", in: 1...Int(UInt16.max))
        collections = []
        for node in try fields.array("collections", max: Int(Int32.max)) ?? [] {
            guard let id = node.uint64 else { throw fields.failure("collections", "has what is no number") }
            collections.append(CollectionID(id))
        }
        files = []
        for (place, node) in (try fields.array("groups", max: Int(UInt16.max) + 1) ?? []).enumerated() {
            files.append(try File(ObjectReader(node, name: "groups", at: place)))
        }
    }

    /// What in it can't be; nil where it is sound.
    private var fault: String? {
        guard Self.isValid(id: id) else { return "the snapshot's id has characters that an id never has" }
        guard files.map(\.group) == LogGroup.exported(shardCount: shardCount) else {
            return "it does not list the catalog and \(shardCount) shards in their order"
        }
        guard zip(collections, collections.dropFirst()).allSatisfy(<) else { return "its collections are out of order" }
        let sizes = files.allSatisfy { $0.bytes < 1 << 48 && $0.points < 1 << 48 }
        guard sizes, files[0].points == 0 else { return "its numbers can't be" }
        return nil
    }
}

extension BackupManifest.File {
    package func write(to json: inout JSONWriter) {
        json.beginObject()
        if case .shard(let shard) = group {
            json.field("group", "shard")
            json.field("shard", shard.rawValue)
        } else {
            json.field("group", "catalog")
        }
        json.field("file", name)
        json.field("index", index.rawValue)
        json.field("term", term)
        json.field("points", points)
        json.field("digest", digest.hex)
        json.field("bytes", bytes)
        json.field("sha256", sha256)
        json.endObject()
    }

    package init(_ reader: ObjectReader) throws(GrapeError) {
        var fields = reader
        let kind = try fields.requiredString("group")
        let shard = try fields.integer("shard", in: 0...Int(UInt16.max) - 1)
        switch (kind, shard) {
        case ("catalog", nil): group = .catalog
        case ("shard", let shard?): group = .shard(ShardID(UInt16(shard)))
        default: throw fields.failure("group", "is neither the catalog nor a shard")
        }
        index = LogIndex(try fields.required(unsigned: "index"))
        term = try fields.required(unsigned: "term")
        points = try fields.required(unsigned: "points")
        bytes = try fields.required(unsigned: "bytes")
        guard let digest = UInt64(hex: try fields.requiredString("digest")) else {
            throw fields.failure("digest", "is none")
        }
        self.digest = digest
        sha256 = try fields.requiredString("sha256")
        guard sha256.utf8.count == 64, sha256.utf8.allSatisfy({ UInt64(hex: String(UnicodeScalar($0))) != nil }) else {
            throw fields.failure("sha256", "is none")
        }
        guard try fields.requiredString("file") == name else { throw fields.failure("file", "is not \(name)") }
        try fields.finish()
    }
}

extension LogGroup {
    /// Groups in the order in which an archive has them.
    package static func exported(shardCount: Int) -> [LogGroup] {
        [.catalog] + (0..<shardCount).map { .shard(ShardID(UInt16($0))) }
    }
}

extension ObjectReader {
    package mutating func required(integer key: String, in range: ClosedRange<Int>) throws(GrapeError) -> Int {
        guard let value = try integer(key, in: range) else { throw failure(key, "is missing") }
        return value
    }

    package mutating func required(unsigned key: String) throws(GrapeError) -> UInt64 {
        guard let value = try required(key).uint64 else { throw failure(key, "is no number without a sign") }
        return value
    }
}

extension UInt64 {
    /// Sixteen digits.
    package var hex: String {
        let digits = String(self, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// Lower-case digits only.
    package init?(hex: String) {
        let isPlain = hex.utf8.allSatisfy {
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
        }
        guard isPlain else { return nil }
        self.init(hex, radix: 16)
    }
}
