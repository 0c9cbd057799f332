import Foundation
import GrapeIndex

/// The chunks of an index checkpoint in one file, so that a graph which takes an hour to build is built once.
///
/// A header (magic, format, rows, efConstruction, all 32 bits, and 64 bits of digest of the vectors), and each chunk: its
/// number and its length, 32 bits each, and its bytes. A number that no chunk has ends the file. Little-endian. Vectors
/// are not in it: a graph of others would be taken for that of these, were it not for the digest.
struct GraphFile {
    let path: String

    /// What a graph was made of and how, as far as chunks don't tell themselves.
    struct Origin: Equatable, CustomStringConvertible {
        var rows: Int
        var efConstruction: Int
        var digest = VectorDigest()

        var description: String {
            "\(rows) vectors (digest \(String(digest.value, radix: 16))), ef construction \(efConstruction)"
        }
    }

    private static let magic: UInt32 = 0x46_47_52_47  // "GRGF"
    private static let format: UInt32 = 1
    private static let headerBytes = 24
    private static let end = UInt32.max

    var exists: Bool { FileManager.default.fileExists(atPath: path) }

    func save(_ index: CollectionIndex, origin: Origin) throws {
        // A file that was cut off must not be taken for a graph.
        let partial = path + ".partial"
        guard FileManager.default.createFile(atPath: partial, contents: nil),
            let handle = FileHandle(forWritingAtPath: partial)
        else { throw BenchFailure("\(path): can't be written") }
        let facts = [Self.magic, Self.format, UInt32(origin.rows), UInt32(origin.efConstruction)]
        try handle.write(contentsOf: Data(facts.flatMap(Self.bytes) + Self.bytes(origin.digest.value)))
        try index.checkpoint { (chunk: UInt32, bytes: [UInt8]) throws(any Error) in
            try handle.write(contentsOf: Data(Self.bytes(chunk) + Self.bytes(UInt32(bytes.count))))
            try handle.write(contentsOf: Data(bytes))
        }
        try handle.write(contentsOf: Data(Self.bytes(Self.end) + Self.bytes(UInt32(0))))
        try handle.close()
        try FileManager.default.moveItem(atPath: partial, toPath: path)
    }

    /// Hands the chunks over and returns what they say to be the graph of.
    func load(into loader: CollectionIndex.Loader) throws -> Origin {
        guard let handle = FileHandle(forReadingAtPath: path) else { throw BenchFailure("\(path): can't be read") }
        let origin = try header(handle)
        while true {
            let head = try next(8, of: handle)
            let chunk = UInt32(Self.number(head[..<4]))
            guard chunk != Self.end else { break }
            let content = try next(Int(Self.number(head[4...])), of: handle)
            guard loader.add(chunk: chunk, bytes: content.span) else {
                throw BenchFailure("\(path): chunk \(chunk) is not of a graph with these parameters")
            }
        }
        try handle.close()
        return origin
    }

    private func header(_ handle: FileHandle) throws -> Origin {
        let bytes = try next(Self.headerBytes, of: handle)
        guard Self.number(bytes[..<4]) == UInt64(Self.magic) else { throw BenchFailure("\(path): not a graph") }
        let format = Self.number(bytes[4..<8])
        guard format == UInt64(Self.format) else {
            throw BenchFailure("\(path): format \(format), expected \(Self.format)")
        }
        return Origin(
            rows: Int(Self.number(bytes[8..<12])), efConstruction: Int(Self.number(bytes[12..<16])),
            digest: VectorDigest(value: Self.number(bytes[16...])))
    }

    private func next(_ count: Int, of handle: FileHandle) throws -> [UInt8] {
        guard count > 0 else { return [] }
        let bytes = Array(try handle.read(upToCount: count) ?? Data())
        guard bytes.count == count else { throw BenchFailure("\(path): is cut off") }
        return bytes
    }

    private static func bytes<Word: FixedWidthInteger>(_ value: Word) -> [UInt8] {
        (0..<Word.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> Word(8 * $0)) }
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}

/// Tells vectors apart: FNV-1a over the bits of their numbers, 32 at a time.
struct VectorDigest: Equatable {
    private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    init() {}

    init(value: UInt64) {
        self.value = value
    }

    mutating func add(_ values: Span<Float>) {
        var hash = value
        for index in values.indices { hash = (hash ^ UInt64(values[index].bitPattern)) &* 0x0000_0100_0000_01B3 }
        value = hash
    }
}
