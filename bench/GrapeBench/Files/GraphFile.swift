import Foundation
import GrapeIndex

/// The chunks of an index checkpoint in one file, so that a graph which takes an hour to build is built once.
///
/// Each chunk: its number and its length, 32 bits each, little-endian, and its bytes. Vectors are not in it.
struct GraphFile {
    let path: String

    var exists: Bool { FileManager.default.fileExists(atPath: path) }

    func save(_ index: CollectionIndex) throws {
        // A file that was cut off must not be taken for a graph.
        let partial = path + ".partial"
        guard FileManager.default.createFile(atPath: partial, contents: nil),
            let handle = FileHandle(forWritingAtPath: partial)
        else { throw BenchFailure("\(path): can't be written") }
        try index.checkpoint { (chunk: UInt32, bytes: [UInt8]) throws(any Error) in
            try handle.write(contentsOf: Data(Self.word(chunk) + Self.word(UInt32(bytes.count))))
            try handle.write(contentsOf: Data(bytes))
        }
        try handle.close()
        try FileManager.default.moveItem(atPath: partial, toPath: path)
    }

    func load(into loader: CollectionIndex.Loader) throws {
        guard let handle = FileHandle(forReadingAtPath: path) else { throw BenchFailure("\(path): can't be read") }
        while let head = try handle.read(upToCount: 8), !head.isEmpty {
            let bytes = Array(head)
            guard bytes.count == 8 else { throw BenchFailure("\(path): ends within a chunk") }
            let chunk = Self.number(bytes[0..<4])
            let length = Int(Self.number(bytes[4..<8]))
            let content = Array(try handle.read(upToCount: length) ?? Data())
            guard content.count == length, loader.add(chunk: chunk, bytes: content.span) else {
                throw BenchFailure("\(path): chunk \(chunk) is not of a graph with these parameters")
            }
        }
        try handle.close()
    }

    private static func word(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }
}
