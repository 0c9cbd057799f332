import Crypto
import GrapeStorage

/// SHA-256 of bytes that come piece by piece.
package struct FileHash: Sendable {
    private var hash = SHA256()

    package init() {}

    package mutating func add(_ bytes: [UInt8]) { hash.update(data: bytes) }

    /// In hex.
    package var text: String {
        hash.finalize().reduce(into: "") { text, byte in
            let digits = String(byte, radix: 16)
            text += digits.utf8.count == 1 ? "0" + digits : digits
        }
    }

    /// Reads a whole file.
    package static func of(_ path: String, pace: ArchivePace = .none) throws(ArchiveError) -> String {
        var hash = FileHash()
        var input = try archiving { () throws(StorageError) in try InputFile(path) }
        while true {
            let bytes = try archiving { () throws(StorageError) in try input.read(max: 1 << 20) }
            if bytes.isEmpty { return hash.text }
            hash.add(bytes)
            try pace.note(bytes.count)
        }
    }
}

/// Hears of the bytes that were worked on: it may wait, so that other work gets its share, and end the work by an error.
package struct ArchivePace: Sendable {
    package let note: @Sendable (Int) throws(ArchiveError) -> Void

    package init(_ note: @escaping @Sendable (Int) throws(ArchiveError) -> Void) { self.note = note }

    package static let none = ArchivePace { (_) throws(ArchiveError) in }
}

func archiving<Result: ~Copyable>(
    _ body: () throws(StorageError) -> Result
) throws(ArchiveError) -> Result {
    do {
        return try body()
    } catch {
        throw .storage(error)
    }
}
