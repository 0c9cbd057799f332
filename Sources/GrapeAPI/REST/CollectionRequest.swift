import GrapeModel

/// The body that creates a collection, in Qdrant's form: `{"vectors":{"size":768,"distance":"Cosine"}}`, or a map of
/// such parameters by the names of vectors; with `hnsw_config` and `quantization_config` for one vector or for all.
struct CollectionRequest {
    private(set) var vectors: [VectorSchema] = []

    private enum Distance: String, CaseIterable {
        case cosine = "Cosine"
        case euclid = "Euclid"
        case dot = "Dot"
        case manhattan = "Manhattan"

        var metric: DistanceMetric {
            switch self {
            case .cosine: .cosine
            case .euclid: .euclidean
            case .dot: .dotProduct
            case .manhattan: .manhattan
            }
        }
    }

    /// Qdrant's name of a metric.
    static func name(of metric: DistanceMetric) -> String {
        Distance.allCases.first { $0.metric == metric }?.rawValue ?? metric.name
    }

    init(_ body: [UInt8], defaults: APIOptions) throws(GrapeError) {
        var fields = try ObjectReader(RequestBody.document(body).root, name: "collection")
        var template = VectorSchema(
            dimension: 0, quantization: defaults.binaryQuantization ? .binary : .none, m: defaults.m,
            efConstruction: defaults.efConstruction)
        try Self.readIndex(&fields, into: &template)
        let node = try fields.required("vectors")
        try fields.finish()
        guard node.kind == .object else {
            throw fields.failure("vectors", "expected an object, found \(node.kindName)")
        }
        if let size = node.field("size"), size.kind != .object {
            vectors = [try Self.vector(ObjectReader(node, name: "vectors"), template, defaults.limits)]
            return
        }
        for (key, value) in node.fields {
            var schema = template
            schema.name = key.string ?? ""
            let reader = try ObjectReader(value, name: "vectors.\(schema.name.prefix(64))")
            vectors.append(try Self.vector(reader, schema, defaults.limits))
        }
        guard !vectors.isEmpty else {
            throw fields.failure("vectors", "is empty: \"size\" and \"distance\" are needed")
        }
    }

    private static func vector(
        _ reader: ObjectReader, _ template: VectorSchema, _ limits: Limits
    ) throws(GrapeError) -> VectorSchema {
        var fields = reader
        var schema = template
        guard let size = try fields.integer("size", in: 1...limits.maxDimension) else {
            throw fields.failure("size", "is missing")
        }
        schema.dimension = size
        _ = try fields.required("distance")
        schema.metric = try fields.choice("distance", default: Distance.cosine).metric
        try readIndex(&fields, into: &schema)
        try fields.finish()
        return schema
    }

    private static func readIndex(_ fields: inout ObjectReader, into schema: inout VectorSchema) throws(GrapeError) {
        if var index = try fields.object("hnsw_config") {
            schema.m = try index.integer("m", in: 2...128, default: schema.m)
            schema.efConstruction = try index.integer("ef_construct", in: 1...10_000, default: schema.efConstruction)
            try index.finish()
        }
        if var quantization = try fields.object("quantization_config") {
            if var binary = try quantization.object("binary") {
                _ = try binary.bool("always_ram")
                try binary.finish()
                schema.quantization = .binary
            }
            try quantization.finish()
        }
    }
}
