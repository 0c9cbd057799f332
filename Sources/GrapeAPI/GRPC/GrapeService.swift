// HOT PATH
import GRPCCore
import GrapeCluster
import GrapeModel
import GrapeProto

/// `grape.v1.Grape` on a node: decodes, calls, encodes. What is allowed the node checks, as for REST.
struct GrapeService: Grape_V1_Grape.ServiceProtocol {
    private let options: APIOptions
    private let serving: ServingState
    private let metrics: ServerMetrics

    init(options: APIOptions, serving: ServingState, metrics: ServerMetrics) {
        self.options = options
        self.serving = serving
        self.metrics = metrics
    }

    // MARK: Writes

    func upsert(
        request: ServerRequest<Grape_V1_UpsertRequest>, context: ServerContext
    ) async throws -> ServerResponse<Grape_V1_UpsertResponse> {
        let message = request.message
        guard message.hasPoint else { throw GrapeError(.invalidRequest, "point: is missing") }
        let result = try await upsert(
            [message.point], into: message.collectionName, key: message.key, request.metadata)
        return ServerResponse(message: .with { $0.shard = UInt32(result.shards[0].rawValue) })
    }

    func upsertBatch(
        request: ServerRequest<Grape_V1_UpsertBatchRequest>, context: ServerContext
    ) async throws -> ServerResponse<Grape_V1_UpsertBatchResponse> {
        let message = request.message
        guard !message.points.isEmpty else { throw GrapeError(.invalidRequest, "points: is empty") }
        let result = try await upsert(
            message.points, into: message.collectionName, key: message.key, request.metadata)
        return ServerResponse(message: .with { $0.upserted = UInt64(result.count) })
    }

    /// Many points take long to check and to encode: they leave the event loop.
    private func upsert(
        _ messages: [Grape_V1_Point], into collection: String, key: String?, _ metadata: Metadata
    ) async throws -> UpsertResult {
        let node = try serving.node.get()
        let isShort = messages.reduce(0) { $0 + $1.byteCount } <= LoopExecutor.writeBytesMax
        let executor: (any TaskExecutor)? = isShort ? nil : globalConcurrentExecutor
        return try await withTaskExecutorPreference(executor) {
            let points = try Points.decode(messages, limits: options.limits)
            return try await CallDeadline.run(.write(points: points.count), metadata) { () async throws(GrapeError) in
                try await node.upsert(points, into: collection, idempotencyKey: key)
            }
        }
    }

    func delete(
        request: ServerRequest<Grape_V1_DeleteRequest>, context: ServerContext
    ) async throws -> ServerResponse<Grape_V1_DeleteResponse> {
        let node = try serving.node.get()
        let message = request.message
        var ids: [PointID] = []
        for id in message.ids { ids.append(try WrittenID(id).id) }
        let deleted = try await CallDeadline.run(
            .write(points: ids.count), request.metadata
        ) { [ids] () async throws(GrapeError) in
            try await RESTService.unlessUnmade(
                message.collectionName, ids.map { _ in false }
            ) { () async throws(GrapeError) in
                try await node.delete(ids, from: message.collectionName, idempotencyKey: message.key)
            }
        }
        return ServerResponse(message: .with { $0.deleted = deleted })
    }

    // MARK: Reads

    func get(
        request: ServerRequest<Grape_V1_GetRequest>, context: ServerContext
    ) async throws -> ServerResponse<Grape_V1_GetResponse> {
        let node = try serving.node.get()
        let message = request.message
        let id = try WrittenID(message.id)
        let consistency = try Consistency(message.consistency)
        let nothing = ReadAnswer<Point?>(value: nil, stalenessMilliseconds: 0)
        let found = try await CallDeadline.run(.read, request.metadata) { () async throws(GrapeError) in
            try await RESTService.unlessUnmade(message.collectionName, nothing) { () async throws(GrapeError) in
                try await node.point(id.id, in: message.collectionName, consistency: consistency)
            }
        }
        guard let point = found.value else {
            throw GrapeError(
                .notFound, "collection \(message.collectionName) has no point \(id.text.prefix(64))")
        }
        var answer = Grape_V1_GetResponse()
        answer.point = Grape_V1_Point(point)
        if consistency == .eventual { answer.stalenessMs = UInt64(found.stalenessMilliseconds) }
        return ServerResponse(message: answer)
    }

    func search(
        request: ServerRequest<Grape_V1_SearchRequest>, context: ServerContext
    ) async throws -> ServerResponse<Grape_V1_SearchResponse> {
        let start = ContinuousClock.now
        let node = try serving.node.get()
        let collection = request.message.collection.orDefault
        let search = try SearchRequest(request.message)
        let nothing = ReadAnswer<[ScoredPoint]>(value: [], stalenessMilliseconds: 0)
        let found = try await CallDeadline.run(.read, request.metadata) { () async throws(GrapeError) in
            try await RESTService.unlessUnmade(collection, nothing) { () async throws(GrapeError) in
                try await node.search(search, in: collection)
            }
        }
        metrics.countSearches(1)
        var answer = Grape_V1_SearchResponse()
        answer.results = found.value.map(Grape_V1_ScoredPoint.init)
        answer.tookMs = Self.milliseconds(since: start)
        if search.consistency == .eventual { answer.stalenessMs = UInt64(found.stalenessMilliseconds) }
        return ServerResponse(message: answer)
    }

    func searchBatch(
        request: ServerRequest<Grape_V1_SearchBatchRequest>, context: ServerContext
    ) async throws -> ServerResponse<Grape_V1_SearchBatchResponse> {
        let start = ContinuousClock.now
        let node = try serving.node.get()
        let message = request.message
        let searches = try message.decoded()
        let collection = message.collection.orDefault
        let nothing = ReadAnswer(value: searches.map { _ in [ScoredPoint]() }, stalenessMilliseconds: 0)
        let found = try await CallDeadline.run(.read, request.metadata) { () async throws(GrapeError) in
            try await RESTService.unlessUnmade(collection, nothing) { () async throws(GrapeError) in
                try await node.search(searches, in: collection)
            }
        }
        metrics.countSearches(searches.count)
        var answer = Grape_V1_SearchBatchResponse()
        answer.answers = found.value.map { results in
            .with { $0.results = results.map(Grape_V1_ScoredPoint.init) }
        }
        answer.tookMs = Self.milliseconds(since: start)
        if searches.contains(where: { $0.consistency == .eventual }) {
            answer.stalenessMs = UInt64(found.stalenessMilliseconds)
        }
        return ServerResponse(message: answer)
    }

    func clusterInfo(
        request: ServerRequest<Grape_V1_ClusterInfoRequest>, context: ServerContext
    ) async throws -> ServerResponse<Grape_V1_ClusterInfoResponse> {
        ServerResponse(message: Grape_V1_ClusterInfoResponse(try serving.node.get(), options))
    }

    /// To the microsecond.
    private static func milliseconds(since start: ContinuousClock.Instant) -> Double {
        Double((ContinuousClock.now - start) / .microseconds(1)).rounded() / 1_000
    }
}

extension Grape_V1_Point {
    /// Bytes that a point takes, about.
    fileprivate var byteCount: Int {
        let numbers = namedVectors.reduce(vector.count) { $0 + $1.values.count }
        return 64 + id.text.utf8.count + MemoryLayout<Float>.size * numbers + payload.count
    }
}
