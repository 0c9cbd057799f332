import GrapeModel

/// The points that clients of one phase work on: new ones in every phase, so that histories stay short enough to be
/// judged. They come in groups, each found by one filter.
package struct PointSet: Sendable {
    package let phase: Int

    package static let groups = 6
    package static let pointsInGroup = 4
    static let dimension = 8

    package init(phase: Int) {
        self.phase = phase
    }

    package var ids: [String] { (0..<Self.groups).flatMap { ids(of: $0) } }

    package func ids(of group: Int) -> [String] {
        (0..<Self.pointsInGroup).map { "p\(phase)-\(group)-\($0)" }
    }

    private func name(of group: Int) -> String { "\(phase)-\(group)" }

    /// A vector that belongs to the value alone, so that a mixture of two versions is seen.
    static func vector(of value: Int) -> [Float] {
        (0..<dimension).map { Float((value / ($0 + 1)) % 89 + 1) }
    }

    func write(_ id: String, group: Int, value: Int, to writer: inout JSONWriter) {
        writer.beginObject()
        writer.field("id", id)
        writer.key("vector")
        writer.floats(Self.vector(of: value))
        writer.field("payload", ["group": .string(name(of: group)), "value": .integer(Int64(value))])
        writer.endObject()
    }

    /// Asks for all points of a group that there are.
    func search(group: Int) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("vector")
        writer.floats(Self.vector(of: group))
        writer.field("limit", Self.pointsInGroup * 2)
        writer.field("exact", true)
        writer.field("with_vector", true)
        let match: JSONValue = ["key": "group", "match": ["value": .string(name(of: group))]]
        writer.field("filter", ["must": .array([match])])
        writer.endObject()
        return writer.bytes
    }

    /// The value of a point as an answer shows it; nil where it is no whole version of a point of this test.
    static func value(of point: JSONDocument.Node) -> Int? {
        guard let value = point.field("payload")?.field("value")?.int64,
            let vector = try? point.field("vector")?.floats(name: "vector"), vector == Self.vector(of: Int(value))
        else { return nil }
        return Int(value)
    }
}
