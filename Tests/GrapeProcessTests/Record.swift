import GrapeBench
import GrapeModel
import GrapeTestKit

/// One version of a point of the tests: vector and payload follow from id and version, so that a mixture of two
/// versions, or a damaged one, is seen.
struct Record: Hashable, Sendable {
    let id: Int
    let version: Int

    static let dimension = 32

    var vector: [Float] {
        var random = SplitMix64(seed: UInt64(id) << 32 | UInt64(version))
        return (0..<Self.dimension).map { _ in Float(Int64(random.next() >> 40)) / Float(1 << 23) - 1 }
    }

    var payload: JSONValue {
        let text = "point \(id), time \(version)"
        return ["id": .integer(Int64(id)), "version": .integer(Int64(version)), "text": .string(text)]
    }

    func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.field("id", id)
        writer.key("vector")
        writer.floats(vector)
        writer.field("payload", payload)
        writer.endObject()
    }

    static func batch(_ records: [Record]) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("vectors")
        writer.beginArray()
        for record in records { record.write(to: &writer) }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }

    /// The record that an answer of GET holds: nil for 404.
    ///
    /// - Throws: if the answer is neither, or vector and payload are not one version's, whole and unchanged.
    init?(answer: HTTPAnswer, id: Int) throws {
        if answer.status == 404 { return nil }
        guard answer.status == 200 else { throw Mismatch("point \(id): \(answer.status) \(answer.text)") }
        let document = try JSONDocument(parsing: answer.bytes)
        guard let version = document.root.field("payload")?.field("version")?.int64 else {
            throw Mismatch("point \(id) has lost its payload: \(answer.text)")
        }
        self.init(id: id, version: Int(version))
        guard document.root.field("payload").map({ JSONValue($0) }) == payload else {
            throw Mismatch("point \(id): payload \(answer.text), expected version \(version)'s")
        }
        guard let found = try document.root.field("vector")?.floats(name: "vector"), found == vector else {
            throw Mismatch("point \(id): not the vector of version \(version): \(answer.text)")
        }
    }

    init(id: Int, version: Int) {
        self.id = id
        self.version = version
    }

    struct Mismatch: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }
}
