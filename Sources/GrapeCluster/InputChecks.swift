import GrapeModel

// What a user gives is checked here, before anything is written: an error names the field, what was found and what is
// allowed.

extension Limits {
    func check(collectionName name: String, vectors: [VectorSchema]) throws(GrapeError) {
        guard (1...Limits.nameBytesMax).contains(name.utf8.count),
            !name.unicodeScalars.contains(where: { $0 == "/" || $0.value < 32 || $0.value == 127 })
        else {
            throw GrapeError(
                .invalidRequest,
                "a collection's name has 1 to \(Limits.nameBytesMax) bytes, no slash and no control characters")
        }
        guard (1...256).contains(vectors.count), Set(vectors.map(\.name)).count == vectors.count else {
            throw GrapeError(.invalidRequest, "a collection has 1 to 256 vectors of different names")
        }
        for vector in vectors {
            try check(vector.dimension, "dimension", in: 1...maxDimension)
            try check(vector.m, "m", in: 2...128)
            try check(vector.efConstruction, "ef_construction", in: 1...10_000)
            try check(vector.name.utf8.count, "length of a vector's name", in: 0...Limits.nameBytesMax)
        }
    }

    func check(_ request: SearchRequest) throws(GrapeError) {
        try check(request.limit, "limit", in: 1...maxSearchResults)
        try check(request.offset, "offset", in: 0...maxSearchResults)
        try check(request.limit + request.offset, "limit + offset", in: 1...maxSearchResults)
        if let ef = request.ef { try check(ef, "ef", in: 1...maxSearchResults) }
        if let threshold = request.scoreThreshold, !threshold.isFinite {
            throw GrapeError(.invalidRequest, "score_threshold is not a finite number")
        }
    }

    func check(_ value: Int, _ name: String, in range: ClosedRange<Int>) throws(GrapeError) {
        guard range.contains(value) else {
            throw GrapeError(
                .invalidRequest, "\(name) is \(value), it must be \(range.lowerBound) to \(range.upperBound)")
        }
    }
}

extension Point {
    /// Every vector is one of the collection's, of its dimension; at least one is there.
    func check(against schema: [VectorSchema], collection: String, limits: Limits) throws(GrapeError) {
        guard payload.json.count <= limits.maxPayloadBytes else {
            throw GrapeError(
                .tooLarge,
                "the payload of point \(id.text) has \(payload.json.count) bytes, \(limits.maxPayloadBytes) are allowed"
            )
        }
        guard !vectors.isEmpty else { throw GrapeError(.invalidVector, "point \(id.text) has no vector") }
        guard Set(vectors.map(\.name)).count == vectors.count else {
            throw GrapeError(.invalidVector, "point \(id.text) has two vectors of one name")
        }
        for vector in vectors {
            guard let expected = schema.first(where: { $0.name == vector.name }) else {
                throw GrapeError(.invalidVector, "collection \(collection) has no vector named \"\(vector.name)\"")
            }
            try expected.check(vector.values, collection: collection)
        }
    }
}

extension VectorSchema {
    /// The right dimension, finite numbers, and under cosine not all zero.
    func check(_ values: [Float], collection: String) throws(GrapeError) {
        guard values.count == dimension else {
            throw GrapeError(
                .dimensionMismatch,
                "vector has \(values.count) dimensions, collection \(collection) has \(dimension)")
        }
        var norm: Float = 0
        for (place, value) in values.enumerated() {
            guard value.isFinite else {
                throw GrapeError(.invalidVector, "vector[\(place)] is not a finite number")
            }
            norm += abs(value)
        }
        guard metric != .cosine || norm > 0 else {
            throw GrapeError(.invalidVector, "vector is all zero, which has no direction under cosine")
        }
    }
}
