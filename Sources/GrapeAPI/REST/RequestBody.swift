import GrapeModel

/// The bodies of REST calls, decoded strictly: every error names the field, and what was found there.
enum RequestBody {
    static func document(_ body: [UInt8]) throws(GrapeError) -> JSONDocument {
        guard !body.isEmpty else {
            throw GrapeError(.invalidRequest, "the request has no body, a JSON object is needed")
        }
        return try JSONDocument(parsing: body)
    }

    static func point(_ body: [UInt8], limits: Limits) throws(GrapeError) -> Point {
        try point(ObjectReader(document(body).root, name: "point"), limits)
    }

    static func batch(_ body: [UInt8], limits: Limits) throws(GrapeError) -> [Point] {
        var fields = try ObjectReader(document(body).root, name: "batch")
        guard let nodes = try fields.array("vectors", max: limits.maxBatchSize) else {
            throw fields.failure("vectors", "is missing")
        }
        try fields.finish()
        guard !nodes.isEmpty else { throw fields.failure("vectors", "is empty") }
        var points: [Point] = []
        points.reserveCapacity(nodes.count)
        for (position, node) in nodes.enumerated() {
            points.append(try point(ObjectReader(node, name: "vectors", at: position), limits))
        }
        return points
    }

    static func search(_ body: [UInt8], limits: Limits) throws(GrapeError) -> SearchRequest {
        try search(ObjectReader(document(body).root, name: "search request"), limits)
    }

    static func searches(_ body: [UInt8], limits: Limits) throws(GrapeError) -> [SearchRequest] {
        var fields = try ObjectReader(document(body).root, name: "search batch")
        guard let nodes = try fields.array("searches", max: Limits.searchBatchMax) else {
            throw fields.failure("searches", "is missing")
        }
        try fields.finish()
        guard !nodes.isEmpty else { throw fields.failure("searches", "is empty") }
        var requests: [SearchRequest] = []
        for (position, node) in nodes.enumerated() {
            requests.append(try search(ObjectReader(node, name: "searches", at: position), limits))
        }
        return requests
    }

    private static func point(_ reader: ObjectReader, _ limits: Limits) throws(GrapeError) -> Point {
        var fields = reader
        let id = try fields.id("id")
        let vectors = try vectors(&fields)
        let payload = try fields.payload("payload", maxBytes: limits.maxPayloadBytes)
        try fields.finish()
        return Point(id: id, vectors: vectors, payload: payload)
    }

    /// An array is the unnamed vector, an object has one array a name.
    private static func vectors(_ fields: inout ObjectReader) throws(GrapeError) -> [NamedVector] {
        let node = try fields.required("vector")
        guard node.kind == .object else { return [NamedVector(values: try fields.requiredFloats("vector"))] }
        var vectors: [NamedVector] = []
        for (key, value) in node.fields {
            let name = key.string ?? ""
            vectors.append(
                NamedVector(name: name, values: try value.floats(name: "\(fields.title): vector.\(name.prefix(64))")))
        }
        return vectors
    }

    private static func search(_ reader: ObjectReader, _ limits: Limits) throws(GrapeError) -> SearchRequest {
        var fields = reader
        let request = SearchRequest(
            vector: try fields.requiredFloats("vector"),
            using: try fields.string("using") ?? "",
            limit: try fields.integer("limit", in: 1...limits.maxSearchResults, default: 10),
            offset: try fields.integer("offset", in: 0...limits.maxSearchResults, default: 0),
            filter: try fields.filter("filter"),
            scoreThreshold: try fields.float("score_threshold"),
            withPayload: try fields.bool("with_payload", default: true),
            withVector: try fields.bool("with_vector", default: false),
            ef: try fields.integer("ef", in: 1...limits.maxSearchResults),
            exact: try fields.bool("exact", default: false),
            consistency: try fields.choice("consistency", default: .strong))
        try fields.finish()
        return request
    }

    /// The node that joins or leaves.
    static func nodeID(_ body: [UInt8], withAddress: Bool) throws(GrapeError) -> (id: String, address: String?) {
        var fields = try ObjectReader(document(body).root, name: withAddress ? "join request" : "leave request")
        let id = try fields.requiredString("node_id")
        let address = withAddress ? try fields.requiredString("address") : nil
        try fields.finish()
        return (id, address)
    }
}
