import GrapeModel
import GrapeStorage

/// Reads an archive from its beginning to its end and trusts nothing in it: it answers with what a writer wrote, or with
/// an error that names the file of the archive. It holds one block of rows at a time.
///
/// What is checked, beside the export format's own checks: the compression's checksum; that the archive has the files of its
/// manifest, in their order, with the sizes given there and nothing else; of each file its SHA-256, and that its cluster,
/// group, index, term, points and digest are the manifest's.
package struct ArchiveReader: ~Copyable {
    package enum Item: Sendable {
        /// The export of a group begins.
        case began(BackupManifest.File, ExportHeader)
        case records([ExportRecord])
        /// It is complete, and as the manifest says.
        case ended(BackupManifest.File)
    }

    private static let pieceBytes = 256 << 10

    private struct Opened {
        let file: BackupManifest.File
        var reader = ExportReader()
        var hash = FileHash()
        var left: UInt64
    }

    package let manifest: BackupManifest
    private var stream: ArchiveStream
    private var next = 0
    private var opened: Opened?
    private var isFinished = false

    package init(_ path: String) throws(ArchiveError) {
        var stream = try ArchiveStream(path)
        manifest = try Self.readManifest(&stream)
        self.stream = stream
    }

    private static func readManifest(_ stream: inout ArchiveStream) throws(ArchiveError) -> BackupManifest {
        guard let header = TarHeader(encoded: try stream.take(TarHeader.blockBytes)),
            header.name == BackupManifest.name, header.byteCount > 0,
            header.byteCount <= UInt64(BackupManifest.bytesMax)
        else { throw .damaged(file: nil, "it does not begin with \(BackupManifest.name)") }
        let bytes = try stream.take(Int(header.byteCount))
        try skipPadding(&stream, header.byteCount)
        let manifest = try BackupManifest(encoded: bytes)
        guard header.modifiedAt == UInt64(max(0, manifest.createdAt.seconds)) else {
            throw .damaged(file: BackupManifest.name, "its date is not the archive's")
        }
        return manifest
    }

    /// How much of the archive was read, 0 to 1.
    package var progress: Double { Double(stream.readBytes) / Double(max(1, stream.fileBytes)) }

    /// Bytes of the archive's file.
    package var fileBytes: UInt64 { stream.fileBytes }

    /// What comes next; nil at the end, where all was as the manifest says.
    package mutating func read() throws(ArchiveError) -> Item? {
        guard !isFinished else { return nil }
        if opened == nil, try !openNext() { return nil }
        while let file = opened?.file {
            switch try step(file) {
            case .header(let header):
                try check(header, file)
                return .began(file, header)
            case .records(let records): return .records(records)
            case .end: continue
            case nil:
                guard opened?.left == 0 else {
                    try feed()
                    continue
                }
                try close()
                return .ended(file)
            }
        }
        return nil
    }

    /// -> whether there is another file.
    private mutating func openNext() throws(ArchiveError) -> Bool {
        guard next < manifest.files.count else {
            guard try stream.take(TarHeader.end.count) == TarHeader.end, try stream.read(max: 1).isEmpty else {
                throw .damaged(file: nil, "it has files that its manifest does not list")
            }
            isFinished = true
            return false
        }
        let file = manifest.files[next]
        let expected = TarHeader(
            name: file.name, byteCount: file.bytes, modifiedAt: UInt64(max(0, manifest.createdAt.seconds)))
        guard try stream.take(TarHeader.blockBytes) == expected.encoded else {
            throw .damaged(file: file.name, "something else stands in its place")
        }
        next += 1
        opened = Opened(file: file, left: file.bytes)
        return true
    }

    private mutating func step(_ file: BackupManifest.File) throws(ArchiveError) -> ExportReader.Item? {
        do throws(ExportError) {
            return try opened?.reader.next() ?? nil
        } catch {
            throw .export(file: file.name, error)
        }
    }

    private mutating func feed() throws(ArchiveError) {
        let max = Int(min(opened?.left ?? 0, UInt64(Self.pieceBytes)))
        let bytes = try stream.read(max: max)
        guard !bytes.isEmpty else { throw .damaged(file: opened?.file.name, "it is cut off") }
        opened?.hash.add(bytes)
        opened?.reader.feed(bytes)
        opened?.left -= UInt64(bytes.count)
    }

    private func check(_ header: ExportHeader, _ file: BackupManifest.File) throws(ArchiveError) {
        let isAsListed =
            header.group == file.group && header.index == file.index && header.term == file.term
            && header.points == file.points && Int(header.shardCount) == manifest.shardCount
            && header.cluster == Array(manifest.cluster.encoded.dropFirst())
        guard isAsListed else { throw .damaged(file: file.name, "its header is not as the manifest says") }
    }

    private mutating func close() throws(ArchiveError) {
        guard let done = opened else { return }
        opened = nil
        do throws(ExportError) {
            try done.reader.finish()
        } catch {
            throw .export(file: done.file.name, error)
        }
        guard done.hash.text == done.file.sha256, done.reader.digest == done.file.digest else {
            throw .damaged(file: done.file.name, "its SHA-256 or its digest is not as the manifest says")
        }
        try Self.skipPadding(&stream, done.file.bytes)
    }

    private static func skipPadding(_ stream: inout ArchiveStream, _ byteCount: UInt64) throws(ArchiveError) {
        guard try stream.take(TarHeader.padding(byteCount)).allSatisfy({ $0 == 0 }) else {
            throw .damaged(file: nil, "something stands between two files")
        }
    }
}
