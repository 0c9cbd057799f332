import Foundation
import GrapeModel
import GrapeProto

// Requests as messages become requests as the node takes them. Only the form is looked at here; values the node checks.

extension String {
    /// A collection as messages name it: the empty name is the unnamed collection.
    var orDefault: String { isEmpty ? Resource.unnamedCollection : self }

    /// A key as messages carry it: empty means none.
    fileprivate var orNone: String? { isEmpty ? nil : self }
}

extension Grape_V1_UpsertRequest {
    var collectionName: String { collection.orDefault }
    var key: String? { idempotencyKey.orNone }
}

extension Grape_V1_UpsertBatchRequest {
    var collectionName: String { collection.orDefault }
    var key: String? { idempotencyKey.orNone }
}

extension Grape_V1_DeleteRequest {
    var collectionName: String { collection.orDefault }
    var key: String? { idempotencyKey.orNone }
}

extension Grape_V1_GetRequest {
    var collectionName: String { collection.orDefault }
}

extension WrittenID {
    init(_ message: Grape_V1_PointId) throws(GrapeError) {
        switch message.id {
        case .number(let number): self.init(number: number)
        case .text(let text): try self.init(text: text)
        case nil: throw GrapeError(.invalidRequest, "id: is missing, a number or a text is needed")
        }
    }
}

extension Consistency {
    init(_ message: Grape_V1_Consistency) throws(GrapeError) {
        switch message {
        case .unspecified, .strong: self = .strong
        case .eventual: self = .eventual
        case .UNRECOGNIZED(let number):
            throw GrapeError(.invalidRequest, "consistency: expected strong (1) or eventual (2), found \(number)")
        }
    }
}

enum Points {
    /// Of many points an error tells which one it is about.
    static func decode(_ messages: [Grape_V1_Point], limits: Limits) throws(GrapeError) -> [Point] {
        try limits.checkBatch(messages.count)
        var points: [Point] = []
        points.reserveCapacity(messages.count)
        var document = JSONDocument()
        for (position, message) in messages.enumerated() {
            do {
                points.append(try decode(message, limits, &document))
            } catch {
                guard messages.count > 1 else { throw error }
                throw GrapeError(error.code, "points[\(position)]: \(error.message)")
            }
        }
        return points
    }

    private static func decode(
        _ message: Grape_V1_Point, _ limits: Limits, _ document: inout JSONDocument
    ) throws(GrapeError) -> Point {
        var vectors: [NamedVector] = []
        if !message.vector.isEmpty { vectors.append(NamedVector(values: message.vector)) }
        for vector in message.namedVectors {
            vectors.append(NamedVector(name: vector.name, values: vector.values))
        }
        var payload = Payload.empty
        if !message.payload.isEmpty {
            try document.reparse([UInt8](message.payload))
            payload = try Payload(document.root, maxBytes: limits.maxPayloadBytes)
        }
        return Point(id: try WrittenID(message.id), vectors: vectors, payload: payload)
    }
}

extension Limits {
    /// Before points are decoded, so that a batch that is too long costs nothing.
    fileprivate func checkBatch(_ count: Int) throws(GrapeError) {
        guard count <= maxBatchSize else {
            throw GrapeError(.invalidRequest, "points: \(count) points, at most \(maxBatchSize) are allowed")
        }
    }
}

extension SearchRequest {
    init(_ message: Grape_V1_SearchRequest) throws(GrapeError) {
        var filter: Filter?
        if !message.filter.isEmpty { filter = try Filter(JSONDocument(parsing: [UInt8](message.filter)).root) }
        self.init(
            vector: message.vector, using: message.using, limit: message.hasLimit ? Int(message.limit) : 10,
            offset: Int(message.offset), filter: filter,
            scoreThreshold: message.hasScoreThreshold ? message.scoreThreshold : nil,
            withPayload: !message.hasWithPayload || message.withPayload, withVector: message.withVector,
            ef: message.hasEf ? Int(message.ef) : nil, exact: message.exact,
            consistency: try Consistency(message.consistency))
    }
}

extension Grape_V1_SearchBatchRequest {
    func decoded() throws(GrapeError) -> [SearchRequest] {
        guard !searches.isEmpty else { throw GrapeError(.invalidRequest, "searches: is empty") }
        guard searches.count <= Limits.searchBatchMax else {
            throw GrapeError(
                .invalidRequest,
                "searches: \(searches.count) searches, at most \(Limits.searchBatchMax) are allowed")
        }
        var decoded: [SearchRequest] = []
        for (position, search) in searches.enumerated() {
            guard search.collection.isEmpty || search.collection.orDefault == collection.orDefault else {
                throw GrapeError(
                    .invalidRequest, "searches[\(position)]: its collection is not that of the batch")
            }
            do {
                decoded.append(try SearchRequest(search))
            } catch {
                throw GrapeError(error.code, "searches[\(position)]: \(error.message)")
            }
        }
        return decoded
    }
}
