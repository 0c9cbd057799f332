import GrapeCluster
import GrapeModel
import Logging
import NIOHTTP1

/// A call that REST was asked for, with the node that will answer it.
package struct RESTCall: Sendable {
    let route: Route
    let node: Node
    let query: [(name: String, value: String)]
    let idempotencyKey: String?
}

/// Grape's REST API: finds the route, asks for the key, decodes, calls the node, encodes.
package struct RESTService: HTTPService {
    let options: APIOptions
    let serving: ServingState
    let metrics: ServerMetrics
    let load: @Sendable () -> Int
    let logger: Logger
    let processor: ProcessorUsage
    private let access: AccessControl

    /// - Parameter activeConnections: how many connections are open.
    package init(
        options: APIOptions, serving: ServingState, metrics: ServerMetrics, logger: Logger,
        activeConnections: @escaping @Sendable () -> Int
    ) {
        self.options = options
        self.serving = serving
        self.metrics = metrics
        self.logger = logger
        load = activeConnections
        processor = ProcessorUsage()
        access = AccessControl(options.auth)
    }

    package func admit(_ head: HTTPRequestHead) -> Admission<RESTCall> {
        do {
            let target = try RequestTarget(head.uri)
            guard let resource = Resource(target.segments) else {
                try access.check(nil, head.headers)
                return refusal(.other, GrapeError(.notFound, "there is no such path"))
            }
            guard let route = Route(head.method, resource) else {
                try access.check(nil, head.headers)
                return refusal(of: head.method, resource)
            }
            do {
                try access.check(route.access, head.headers)
                try check(target.query, of: route)
                return try admit(route, target, head)
            } catch {
                return Admission(route.operation, .answer(answer(error, to: route)))
            }
        } catch {
            return refusal(.other, error)
        }
    }

    private func admit(
        _ route: Route, _ target: RequestTarget, _ head: HTTPRequestHead
    ) throws(GrapeError) -> Admission<RESTCall> {
        // Health is answered on the event loop: no queue that is full can hide it.
        if let answer = healthAnswer(route) { return Admission(route.operation, .answer(answer)) }
        let call = RESTCall(
            route: route, node: try serving.node.get(), query: target.query,
            idempotencyKey: head.headers.first(name: "idempotency-key"))
        return Admission(route.operation, .call(call), timeLimit: route.timeLimit)
    }

    private func check(_ query: [(name: String, value: String)], of route: Route) throws(GrapeError) {
        // Whoever asks after the node's health gets an answer, with whatever it adds to the question.
        guard !query.isEmpty, route.access != .open else { return }
        let known = route.parameters
        for (name, _) in query where !known.contains(name) {
            let text = known.isEmpty ? "this call has none" : "known: \(known.joined(separator: ", "))"
            throw GrapeError(.invalidRequest, "unknown query parameter \"\(name.prefix(64))\" (\(text))")
        }
    }

    private func refusal(_ operation: Operation, _ error: GrapeError) -> Admission<RESTCall> {
        Admission(operation, .answer(HTTPAnswer(error)))
    }

    private func refusal(of method: HTTPMethod, _ resource: Resource) -> Admission<RESTCall> {
        let allowed = Route.methods(of: resource).map(\.rawValue).joined(separator: ", ")
        var answer = HTTPAnswer(
            GrapeError(.methodNotAllowed, "\(method.rawValue) is not allowed here, only \(allowed)"))
        answer.headers.append(("Allow", allowed))
        return Admission(.other, .answer(answer))
    }

    // MARK: Calls

    /// Reads run on the threads that read, from the first byte parsed to the last one written; writes, which mostly wait,
    /// don't stand in their queue.
    package func executor(_ call: RESTCall) -> (any TaskExecutor)? {
        switch call.route {
        case .search, .searchBatch, .point: call.node.pool
        default: nil
        }
    }

    package func answer(_ call: RESTCall, body: [UInt8], progress: CallProgress) async -> HTTPAnswer {
        do {
            return try await perform(call, body, progress)
        } catch {
            if error.code.httpStatus == 500 {
                logger.error(
                    "a call failed", metadata: ["operation": "\(call.route.operation.label)", "error": "\(error)"])
            }
            return answer(error, to: call.route)
        }
    }

    private func perform(
        _ call: RESTCall, _ body: [UInt8], _ progress: CallProgress
    ) async throws(GrapeError) -> HTTPAnswer {
        switch call.route {
        case .welcome, .health, .live, .ready:
            preconditionFailure("\(call.route) is answered when it is admitted")
        case .healthDetailed: try await healthDetailed(call.node)
        case .statistics: try await statistics(call.node)
        case .clusterInfo: clusterInfo(call.node)
        case .clusterNodes: clusterNodes(call.node)
        case .clusterShards: clusterShards(call.node)
        case .join: try join(body, call.node)
        case .leave: try await leave(body, call.node)
        case .migrationStatus: migrationStatus(call.node)
        case .rebalance: rebalance(call.node)
        case .rebalanceStatus: rebalanceStatus(call.node)
        case .createSnapshot: try await createSnapshot(body, call.node)
        case .snapshotState(let id): try await snapshotState(id, call.node)
        case .latestBackup: try await latestBackup(call.node)
        case .verifyBackup: try await verifyBackup(call.node)
        case .beginRestore: try await beginRestore(body, call.node)
        case .restorePoints(let id): try await restorePoints(id, body, call.node)
        case .restoreContent(let id): try await restoreContent(id, call)
        case .publishRestore: try await publishRestore(body, call.node)
        case .discardRestore(let id): try await discardRestore(id, call.node)
        case .checkConsistency: try await checkConsistency(call)
        case .repairConsistency: try await repairConsistency(call.node)
        case .listCollections: try await listCollections(call.node)
        case .collectionExists(let name): try await collectionExists(name, call.node)
        case .createCollection(let name): try await createCollection(name, body, call.node)
        case .collection(let name): try await collection(name, call.node)
        case .dropCollection(let name): try await dropCollection(name, call.node)
        case .upsert(let name): try await upsert(into: name, call, body, progress)
        case .upsertBatch(let name): try await upsertBatch(into: name, call, body, progress)
        case .search(let name): try await search(in: name, call, body)
        case .searchBatch(let name): try await searchBatch(in: name, call, body)
        case .point(let id, let name): try await point(id, in: name, call)
        case .deletePoint(let id, let name): try await delete(id, from: name, call, progress)
        }
    }

    /// What a call that found no end is answered: a write may have been, or still be, applied; a read is only late.
    package func timeoutAnswer(_ call: RESTCall, progress: CallProgress) -> HTTPAnswer {
        let limit = call.route.timeLimit ?? options.connections.requestTimeout
        let seconds = limit.nanoseconds / 1_000_000_000
        let text = "the call did not end within \(seconds) s"
        let points = progress.submittedPoints
        switch call.route.access {
        case .open, .read: return answer(GrapeError(.unavailable, text, retryAfterSeconds: 1), to: call.route)
        case .write:
            let outcome = points > 0 ? WriteOutcome(written: 0, notWritten: 0, unknown: points) : nil
            return answer(
                GrapeError(
                    .outcomeUnknown, "\(text): it may have been carried out, or may yet be", writeOutcome: outcome),
                to: call.route)
        }
    }

    private func answer(_ error: GrapeError, to route: Route) -> HTTPAnswer {
        route.isQdrantForm ? HTTPAnswer(qdrant: error) : HTTPAnswer(error)
    }
}
