import GrapeModel
import NIOCore

/// The bodies of all queries, written once before the clock starts: the load generator shares its machine with the
/// server and must not spend on JSON what it measures.
struct SearchRequestBodies {
    var limit = 10
    /// Nil: exact search.
    var ef: Int?
    var consistency = Consistency.strong
    var withPayload = false
    /// JSON of a filter, sent as it is.
    var filter: [UInt8]?

    func bodies(for queries: VectorBlock) -> [ByteBuffer] {
        (0..<queries.rows).map { body(of: Array(queries.row($0))) }
    }

    private func body(of vector: [Float]) -> ByteBuffer {
        var writer = JSONWriter(capacity: vector.count * 13 + 128)
        writer.beginObject()
        writer.key("vector")
        writer.floats(vector)
        writer.key("limit")
        writer.integer(limit)
        if let ef {
            writer.key("ef")
            writer.integer(ef)
        } else {
            writer.key("exact")
            writer.bool(true)
        }
        writer.key("with_payload")
        writer.bool(withPayload)
        writer.key("consistency")
        writer.string(consistency.rawValue)
        if let filter {
            writer.key("filter")
            writer.raw(filter)
        }
        writer.endObject()
        return ByteBuffer(bytes: writer.bytes)
    }
}
