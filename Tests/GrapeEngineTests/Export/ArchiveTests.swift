import GrapeEngine
import GrapeModel
import GrapeStorage
import GrapeTestKit
import Testing

/// An archive reads as it was written, or not at all.
@Suite struct ArchiveTests {
    /// An archive of random history, in a directory of its own.
    private struct Written {
        let directory: TemporaryDirectory
        let path: String
        let manifest: BackupManifest
        let exports: [[UInt8]]
        let bytes: [UInt8]
    }

    private func write(
        seed: UInt64 = 5, writes: Int = 300, alter: (inout BackupManifest) -> Void = { _ in }
    ) throws -> Written {
        let directory = try TemporaryDirectory()
        let engine = try EngineFixture.open(directory.path + "/data")
        defer { try? EngineFixture.close(engine) }
        var history = ExportHistory(seed: seed, dimension: 3, ids: 80)
        history.write(writes)
        _ = try engine.apply(history.log.take())
        let folder = Folder(directory.path + "/exports")
        try folder.create()
        var files: [BackupManifest.File] = []
        var exports: [[UInt8]] = []
        for group in LogGroup.exported(shardCount: ExportWorld.shards) {
            exports.append(try ExportWorld.export(group, of: engine).flatMap { $0 })
            let export = try ShardExport(
                of: group, cluster: ExportWorld.cluster, shardCount: ExportWorld.shards, database: engine.database)
            files.append(try ExportFile.write(export, to: folder.file(BackupManifest.File.name(of: group))))
        }
        var manifest = BackupManifest(
            id: "snapshot-1", cluster: try #require(PointID(encoded: [2] + ExportWorld.cluster)),
            createdAt: Timestamp(seconds: 1_700_000_000), version: "test", shardCount: ExportWorld.shards,
            collections: [EngineFixture.collection, ExportWorld.second], files: files)
        alter(&manifest)
        let path = directory.path + "/a.tar.gz"
        let (count, sha256) = try ArchiveWriter.write(manifest, exports: folder, to: path)
        let bytes = try Folder(directory.path).read("a.tar.gz", max: 64 << 20)
        #expect(UInt64(bytes.count) == count)
        #expect(try FileHash.of(path) == sha256)
        #expect(try folder.names().isEmpty)
        return Written(directory: directory, path: path, manifest: manifest, exports: exports, bytes: bytes)
    }

    private func read(_ path: String) throws(ArchiveError) -> (manifest: BackupManifest, records: [[ExportRecord]]) {
        var reader = try ArchiveReader(path)
        var records: [[ExportRecord]] = []
        while let item = try reader.read() {
            switch item {
            case .began: records.append([])
            case .records(let more): records[records.count - 1] += more
            case .ended: break
            }
        }
        return (reader.manifest, records)
    }

    private func records(_ export: [UInt8]) throws -> [ExportRecord] {
        var reader = ExportReader()
        reader.feed(export)
        var found: [ExportRecord] = []
        while let item = try reader.next() { if case .records(let more) = item { found += more } }
        return found
    }

    @Test func `An archive reads as what the groups' exports say`() throws {
        let written = try write()
        let found = try read(written.path)
        #expect(found.manifest == written.manifest)
        #expect(found.records == (try written.exports.map(records)))
        #expect(found.records.dropFirst().contains { !$0.isEmpty })
    }

    @Test func `The content digest is the same whatever versions rows have, and no other point has it`() throws {
        let written = try write()
        let point = try #require(
            try read(written.path).records.joined().compactMap { record -> ExportedPoint? in
                if case .point(let point) = record { point } else { nil }
            }.first)
        var row = point.row
        row.version = row.version.next
        let later = ExportedPoint(
            collection: CollectionID(9), id: point.id, row: row, vectorBlock: point.vectorBlock)
        #expect(later.contentHash == point.contentHash)
        row.payload = Payload(uncheckedJSON: Array(#"{"other":1}"#.utf8))
        let other = ExportedPoint(
            collection: point.collection, id: point.id, row: row, vectorBlock: point.vectorBlock)
        #expect(other.contentHash != point.contentHash)
        #expect(!other.isWhole && point.isWhole)
    }

    // MARK: Damage

    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func `Any flip, cut, splice or addition is found, or changes nothing`(seed: UInt64) throws {
        let written = try write(seed: seed)
        let sound = try read(written.path)
        let path = written.directory.path + "/damaged.tar.gz"
        var random = Xoshiro256(seed: seed)
        var harmless = 0
        for _ in 0..<200 {
            let bytes = damaged(written.bytes, &random)
            guard bytes != written.bytes else { continue }
            var file = try OutputFile(path, replacing: true)
            try file.write(bytes)
            do {
                let found = try read(path)
                #expect(found.manifest == sound.manifest && found.records == sound.records)
                #expect(bytes.count == written.bytes.count)
                harmless += 1
            } catch {
                #expect(error.isDamage, "\(error)")
            }
        }
        #expect(harmless < 20)
    }

    private func damaged(_ whole: [UInt8], _ random: inout Xoshiro256) -> [UInt8] {
        var bytes = whole
        switch random.below(5) {
        case 0, 1: bytes[random.below(bytes.count)] ^= 1 << UInt8(random.below(8))
        case 2: bytes.removeLast(random.within(1...bytes.count))
        case 3:
            let at = random.below(bytes.count)
            bytes.removeSubrange(at..<min(bytes.count, at + random.within(1...64)))
        default: bytes += (0..<random.within(1...600)).map { _ in random.below(2) == 0 ? 0 : UInt8(random.below(256)) }
        }
        return bytes
    }

    @Test func `Each flip of the manifest's bytes is found or changes nothing but words that nobody checks`() throws {
        let written = try write(writes: 40)
        let encoded = written.manifest.encoded
        var random = Xoshiro256(seed: 3)
        for place in encoded.indices {
            var bytes = encoded
            bytes[place] ^= 1 << UInt8(random.below(8))
            guard let found = try? BackupManifest(encoded: bytes) else { continue }
            // Still a manifest of the same groups: numbers and sums are then held against the files.
            #expect(found.files.map(\.group) == written.manifest.files.map(\.group))
        }
    }

    /// The frame is whole; only what the manifest says of the files is not what they are.
    @Test func `A manifest that says something else than its files is found out`() throws {
        let alterations: [(inout BackupManifest) -> Void] = [
            { $0.files[2].sha256 = String($0.files[2].sha256.reversed()) },
            { $0.files[2].digest &+= 1 },
            { $0.files[0].digest &+= 1 },
            { $0.files[1].index = $0.files[1].index.next },
            { $0.files[1].term += 1 },
            { $0.files[3].points += 1 },
            { $0.cluster = .uuid(high: 1, low: 2) },
        ]
        for (number, alter) in alterations.enumerated() {
            let written = try write(writes: 60, alter: alter)
            #expect(throws: ArchiveError.self, "alteration \(number)") { _ = try read(written.path) }
        }
    }

    @Test func `A manifest of a later format is refused by its number`() throws {
        let text = String(decoding: try write(writes: 10).manifest.encoded, as: UTF8.self)
        let later = Array(text.utf8).replacing(Array(#""format":1"#.utf8), with: Array(#""format":7,"more":true"#.utf8))
        #expect(throws: ArchiveError.newer(version: 7)) { try BackupManifest(encoded: later) }
    }

    /// A sound frame around something else than an archive: names that climb, other kinds of files, what never ends.
    @Test func `A tar file of another maker is refused, whatever it asks for`() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/other.tar.gz"
        for name in ["../../etc/passwd", "/etc/passwd", "manifest.json", "catalog.export"] {
            var bytes = [UInt8](repeating: 0, count: 512)
            bytes.replaceSubrange(0..<name.utf8.count, with: Array(name.utf8))
            bytes.replaceSubrange(124..<135, with: Array("77777777777".utf8))
            var gzip = GzipWriter()
            var file = try OutputFile(path, replacing: true)
            try file.write(gzip.compress(bytes))
            // A bomb: much more than the file has bytes.
            for _ in 0..<64 { try file.write(gzip.compress([UInt8](repeating: 0, count: 1 << 20))) }
            try file.write(gzip.finish())
            let before = ProcessStatistics.residentBytes
            #expect(throws: ArchiveError.self) { _ = try ArchiveReader(path) }
            #expect(ProcessStatistics.residentBytes - before < 64 << 20)
        }
    }
}
