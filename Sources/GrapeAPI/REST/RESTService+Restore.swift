import GrapeCluster
import GrapeEngine
import GrapeModel

// How grape-tool brings a backup into a running cluster (docs/ARCHITECTURE.md, Restores): hidden collections are made, filled and
// compared, then published in one step.

extension RESTService {
    func beginRestore(_ body: [UInt8], _ node: Node) async throws(GrapeError) -> HTTPAnswer {
        var fields = try ObjectReader(RequestBody.document(body).root, name: "restore request")
        let name = try fields.requiredString("name")
        var vectors: [VectorSchema] = []
        for (place, one) in (try fields.array("vectors", max: Int(UInt16.max)) ?? []).enumerated() {
            vectors.append(try VectorSchema(restored: ObjectReader(one, name: "vectors", at: place)))
        }
        try fields.finish()
        let id = try await node.beginRestore(name, vectors: vectors)
        return HTTPAnswer { json in
            json.beginObject()
            json.field("collection_id", id.rawValue)
            json.field("shard_count", node.options.shardCount)
            json.endObject()
        }
    }

    /// The body: points as exports have them (docs/EXPORT_FORMAT.md), whatever their collection there.
    func restorePoints(_ id: String, _ body: [UInt8], _ node: Node) async throws(GrapeError) -> HTTPAnswer {
        let collection = try collectionID(id)
        var points: [ExportedPoint] = []
        var offset = 0
        while offset < body.count {
            guard case .point(let point)? = ExportRecord.read(body.span, at: &offset) else {
                throw GrapeError(.invalidRequest, "record \(points.count) of the body is no point")
            }
            points.append(point)
        }
        try await node.restore(points, into: collection)
        return HTTPAnswer { json in
            json.beginObject()
            json.field("restored", points.count)
            json.endObject()
        }
    }

    func restoreContent(_ id: String, _ call: RESTCall) async throws(GrapeError) -> HTTPAnswer {
        guard let text = call.query.first?.value, let shard = UInt16(text) else {
            throw GrapeError(.invalidRequest, "query parameter shard: expected a number")
        }
        let digest = try await call.node.restoredContent(try collectionID(id), ShardID(shard))
        return HTTPAnswer { json in
            json.beginObject()
            json.field("points", digest.points)
            json.field("digest", digest.sum.hex)
            json.endObject()
        }
    }

    func publishRestore(_ body: [UInt8], _ node: Node) async throws(GrapeError) -> HTTPAnswer {
        var fields = try ObjectReader(RequestBody.document(body).root, name: "publish request")
        var ids: [CollectionID] = []
        for node in try fields.array("collections", max: Int(UInt16.max)) ?? [] {
            guard let id = node.uint64 else { throw fields.failure("collections", "has what is no number") }
            ids.append(CollectionID(id))
        }
        let replaces = try fields.bool("replace", default: false)
        try fields.finish()
        try await node.publish(ids, replacing: replaces)
        return HTTPAnswer { json in
            json.beginObject()
            json.field("published", ids.count)
            json.endObject()
        }
    }

    func discardRestore(_ id: String, _ node: Node) async throws(GrapeError) -> HTTPAnswer {
        try await node.discardRestore(try collectionID(id))
        return HTTPAnswer { json in
            json.beginObject()
            json.field("discarded", true)
            json.endObject()
        }
    }

    private func collectionID(_ text: String) throws(GrapeError) -> CollectionID {
        guard let number = UInt64(text) else {
            throw GrapeError(.invalidRequest, "a restored collection is named by its number")
        }
        return CollectionID(number)
    }
}

extension VectorSchema {
    /// As `RestoreClient` writes it.
    fileprivate init(restored reader: ObjectReader) throws(GrapeError) {
        var fields = reader
        guard let metric = DistanceMetric(name: try fields.requiredString("metric")) else {
            throw fields.failure("metric", "is none")
        }
        self.init(
            name: try fields.string("name") ?? "",
            dimension: try fields.required(integer: "dimension", in: 1...Int(Int32.max)),
            metric: metric,
            quantization: try fields.bool("binary_quantization", default: false) ? .binary : .none,
            m: try fields.required(integer: "m", in: 1...Int(UInt16.max)),
            efConstruction: try fields.required(integer: "ef_construction", in: 1...Int(Int32.max)))
        try fields.finish()
    }
}
