import GrapeCluster
import GrapeModel

// Collections in the form of Qdrant's API: every result stands in an envelope.

extension RESTService {
    func listCollections(_ node: Node) async throws(GrapeError) -> HTTPAnswer {
        let start = ContinuousClock.now
        let names = try await node.collections().map(\.schema.name)
        return HTTPAnswer(envelopeSince: start) { json in
            json.beginObject()
            json.key("collections")
            json.beginArray()
            for name in names {
                json.beginObject()
                json.field("name", name)
                json.endObject()
            }
            json.endArray()
            json.endObject()
        }
    }

    func collectionExists(_ name: String, _ node: Node) async throws(GrapeError) -> HTTPAnswer {
        let start = ContinuousClock.now
        var exists = true
        do {
            _ = try await node.collection(name)
        } catch  where error.code == .collectionNotFound {
            exists = false
        }
        return HTTPAnswer(envelopeSince: start) { json in
            json.beginObject()
            json.field("exists", exists)
            json.endObject()
        }
    }

    func createCollection(_ name: String, _ body: [UInt8], _ node: Node) async throws(GrapeError) -> HTTPAnswer {
        let start = ContinuousClock.now
        let vectors = try CollectionRequest(body, defaults: options).vectors
        _ = try await node.createCollection(name, vectors: vectors)
        return HTTPAnswer(envelopeSince: start) { $0.bool(true) }
    }

    /// The result tells whether there was such a collection.
    func dropCollection(_ name: String, _ node: Node) async throws(GrapeError) -> HTTPAnswer {
        let start = ContinuousClock.now
        var existed = true
        do {
            try await node.dropCollection(name)
        } catch  where error.code == .collectionNotFound {
            existed = false
        }
        return HTTPAnswer(envelopeSince: start) { $0.bool(existed) }
    }

    func collection(_ name: String, _ node: Node) async throws(GrapeError) -> HTTPAnswer {
        let start = ContinuousClock.now
        let info = try await node.collection(name)
        return HTTPAnswer(envelopeSince: start) { json in
            json.beginObject()
            json.field("status", "green")
            json.field("optimizer_status", "ok")
            json.field("points_count", info.points)
            json.field("indexed_vectors_count", info.indexedPoints)
            json.field("segments_count", 1)
            json.key("config")
            json.beginObject()
            json.key("params")
            json.beginObject()
            json.key("vectors")
            json.write(info.schema.vectors)
            json.field("shard_number", node.options.shardCount)
            json.field("replication_factor", 1)
            json.endObject()
            json.endObject()
            json.key("payload_schema")
            json.beginObject()
            json.endObject()
            json.endObject()
        }
    }
}

extension JSONWriter {
    /// Parameters of the unnamed vector, or of each named one.
    fileprivate mutating func write(_ vectors: [VectorSchema]) {
        if vectors.count == 1, let vector = vectors.first, vector.name.isEmpty {
            write(vector)
            return
        }
        beginObject()
        for vector in vectors {
            key(vector.name)
            write(vector)
        }
        endObject()
    }

    private mutating func write(_ vector: VectorSchema) {
        beginObject()
        field("size", vector.dimension)
        field("distance", CollectionRequest.name(of: vector.metric))
        key("hnsw_config")
        beginObject()
        field("m", vector.m)
        field("ef_construct", vector.efConstruction)
        endObject()
        if vector.quantization == .binary {
            key("quantization_config")
            beginObject()
            key("binary")
            beginObject()
            endObject()
            endObject()
        }
        endObject()
    }
}

extension HTTPAnswer {
    /// Qdrant's envelope around a result.
    init(envelopeSince start: ContinuousClock.Instant, result: (inout JSONWriter) -> Void) {
        self.init { json in
            json.beginObject()
            json.key("result")
            result(&json)
            json.field("status", "ok")
            json.field("time", Double((ContinuousClock.now - start) / .microseconds(1)).rounded() / 1e6)
            json.endObject()
        }
    }

    /// Grape's error form and Qdrant's in one: a client of either finds what it knows.
    init(qdrant error: GrapeError) {
        self.init(error) { json in
            json.key("status")
            json.beginObject()
            json.field("error", error.message)
            json.endObject()
            json.field("time", 0.0)
        }
    }
}
