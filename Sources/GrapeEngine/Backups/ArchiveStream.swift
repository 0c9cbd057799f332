import GrapeStorage

/// The bytes of a tar archive in a gzip file, a bounded piece at a time. What is cut off, altered or stands behind the end
/// is an error.
struct ArchiveStream: ~Copyable {
    private static let inputBytes = 256 << 10

    private var file: InputFile
    private var gzip = GzipReader()

    init(_ path: String) throws(ArchiveError) {
        file = try archiving { () throws(StorageError) in try InputFile(path) }
    }

    /// Bytes of the file, and how many of them were read.
    var fileBytes: UInt64 { file.byteCount }
    var readBytes: UInt64 { file.position }

    /// -> up to `max` bytes, none only at the end.
    mutating func read(max: Int) throws(ArchiveError) -> [UInt8] {
        while true {
            let output = try gunzip(max)
            if !output.isEmpty { return output }
            let input: [UInt8]
            do throws(StorageError) {
                input = try file.read(max: Self.inputBytes)
            } catch {
                throw .storage(error)
            }
            if input.isEmpty {
                guard gzip.isAtEnd else { throw .damaged(file: nil, "it is cut off") }
                return []
            }
            do throws(GzipReader.Failure) {
                try gzip.feed(input)
            } catch {
                throw Self.error(error)
            }
        }
    }

    /// -> exactly so many bytes.
    mutating func take(_ count: Int) throws(ArchiveError) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let more = try read(max: min(count - bytes.count, Self.inputBytes))
            guard !more.isEmpty else { throw .damaged(file: nil, "it ends too early") }
            bytes += more
        }
        return bytes
    }

    private mutating func gunzip(_ max: Int) throws(ArchiveError) -> [UInt8] {
        do throws(GzipReader.Failure) {
            return try gzip.read(max: max)
        } catch {
            throw Self.error(error)
        }
    }

    private static func error(_ failure: GzipReader.Failure) -> ArchiveError {
        switch failure {
        case .damaged: .damaged(file: nil, "it can't be decompressed, or its checksum differs")
        case .trailing: .damaged(file: nil, "something stands behind its end")
        }
    }
}
