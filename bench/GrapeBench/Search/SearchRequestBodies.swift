import Foundation
import GrapeModel
import GrapeProto
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
    var wire = WireProtocol.rest
    /// What gRPC messages name; nil: the collection default.
    var collection: String?

    func bodies(for queries: VectorBlock) throws -> [ByteBuffer] {
        try (0..<queries.rows).map { row in
            let vector = Array(queries.row(row))
            return wire == .rest ? json(vector) : try ByteBuffer(message: message(vector))
        }
    }

    private func message(_ vector: [Float]) -> Grape_V1_SearchRequest {
        .with {
            $0.collection = collection ?? ""
            $0.vector = vector
            $0.limit = UInt32(limit)
            if let ef { $0.ef = UInt32(ef) }
            $0.exact = ef == nil
            $0.withPayload = withPayload
            $0.consistency = consistency == .eventual ? .eventual : .strong
            if let filter { $0.filter = Data(filter) }
        }
    }

    private func json(_ vector: [Float]) -> ByteBuffer {
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
