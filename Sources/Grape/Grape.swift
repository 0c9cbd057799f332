import GrapeCluster
import GrapeModel
import Logging

/// A vector database inside your program: the engine of the server, on a directory of yours.
///
/// ```swift
/// let db = try await Grape.open(at: "./vectors")
/// try await db.upsert(id: "doc-1", vector: [0.1, 0.2, 0.3], payload: ["title": "First"])
/// for hit in try await db.search([0.1, 0.2, 0.3], limit: 5) { print(hit.id, hit.score) }
/// await db.close()
/// ```
///
/// A write that returned survives a crash of the process and a loss of power, and every later search sees it. One
/// process at a time can have a directory open; a server can open it later, and the other way round. All calls may be
/// made from any task at the same time.
public final class Grape: Sendable {
    private let node: Node

    private init(node: Node) { self.node = node }

    /// Opens a directory, or makes it.
    ///
    /// - Parameters:
    ///   - path: The directory. It is made if it isn't there; its parent must be.
    ///   - options: How the collection is made by its first write, and how much memory is used.
    ///   - logger: Takes what a server would log; by default nothing is logged.
    /// - Throws: `GrapeError` with `cannotStart` where the directory is in use or isn't Grape's, `damaged` where its
    ///   files are.
    public static func open(
        at path: String, options: Options = Options(), logger: Logger? = nil
    ) async throws(GrapeError) -> Grape {
        let logger = logger ?? Logger(label: "grape") { _ in SwiftLogNoOpLogHandler() }
        return Grape(node: try await Node.open(options.nodeOptions(path: path), logger: logger))
    }

    /// Finishes writes that are under way, saves the index and closes the directory. Calls after it throw
    /// `unavailable`.
    public func close() async { await node.close() }

    // MARK: Writes

    /// Writes a point, new or not. On return it is on disk and visible to every search.
    ///
    /// - Parameters:
    ///   - id: 1 to 512 bytes of text, or an integer.
    ///   - vector: As many finite numbers as the collection has dimensions; not all zero under cosine.
    ///   - payload: A JSON object, kept as given.
    public func upsert(id: ID, vector: [Float], payload: JSONObject = [:]) async throws(GrapeError) {
        try await upsert([Point(id: id, vector: vector, payload: payload)])
    }

    /// Writes many points with one sync to disk. All are checked before any is written. Of one id twice the last wins.
    ///
    /// - Returns: The number of points written.
    @discardableResult
    public func upsert(_ points: [Point]) async throws(GrapeError) -> Int {
        var converted: [GrapeModel.Point] = []
        converted.reserveCapacity(points.count)
        for point in points {
            converted.append(
                GrapeModel.Point(
                    id: try point.id.written(), vectors: [NamedVector(values: point.vector)],
                    payload: try Payload(point.payload, maxBytes: node.options.limits.maxPayloadBytes)))
        }
        return try await node.upsert(converted, into: Node.defaultCollection).count
    }

    /// Removes a point.
    ///
    /// - Returns: Whether it was there.
    @discardableResult
    public func delete(id: ID) async throws(GrapeError) -> Bool {
        try await delete(ids: [id])[0]
    }

    /// Removes many points with one sync to disk.
    ///
    /// - Returns: For each id whether its point was there.
    @discardableResult
    public func delete(ids: [ID]) async throws(GrapeError) -> [Bool] {
        var converted: [PointID] = []
        for id in ids { converted.append(try id.written().id) }
        guard try await exists() else { return converted.map { _ in false } }
        return try await node.delete(converted, from: Node.defaultCollection)
    }

    // MARK: Reads

    /// The point under an id; nil where there is none.
    public func get(id: ID) async throws(GrapeError) -> Point? {
        let id = try id.written().id
        guard try await exists(), let point = try await node.point(id, in: Node.defaultCollection).value else {
            return nil
        }
        return Point(
            id: ID(point.id), vector: point.vectors.first?.values ?? [], payload: try point.payload.object())
    }

    /// The points nearest to a vector, best first.
    ///
    /// - Parameters:
    ///   - vector: As many finite numbers as the collection has dimensions.
    ///   - limit: Results at most, 1 to 10,000.
    ///   - filter: Conditions on payloads, in the form of the REST API:
    ///     `["must": [["key": "lang", "match": ["value": "en"]]]]`.
    ///   - scoreThreshold: Results worse than this are left out.
    ///   - ef: Candidates that the walk keeps: more finds more of the true neighbours and takes longer.
    ///   - exact: Compares with every point instead of walking the graph.
    public func search(
        _ vector: [Float], limit: Int = 10, filter: JSONValue? = nil, scoreThreshold: Float? = nil, ef: Int? = nil,
        exact: Bool = false
    ) async throws(GrapeError) -> [Match] {
        let filter = try filter.map { (value) throws(GrapeError) in
            try Filter(JSONDocument(parsing: value.encoded()).root)
        }
        let request = SearchRequest(
            vector: vector, limit: limit, filter: filter, scoreThreshold: scoreThreshold, ef: ef, exact: exact)
        guard try await exists() else { return [] }
        var matches: [Match] = []
        for point in try await node.search(request, in: Node.defaultCollection).value {
            let payload = try (point.payload ?? .empty).object()
            matches.append(Match(id: ID(point.id), score: point.score, payload: payload))
        }
        return matches
    }

    /// Number of points.
    public var count: Int {
        get async throws(GrapeError) {
            try await exists() ? node.collection(Node.defaultCollection).points : 0
        }
    }

    /// The collection is made by the first write; before it reads find nothing.
    private func exists() async throws(GrapeError) -> Bool {
        if let refusal = node.refusal { throw refusal }
        do {
            _ = try await node.collection(Node.defaultCollection)
            return true
        } catch {
            guard error.code == .collectionNotFound else { throw error }
            return false
        }
    }
}

extension Payload {
    fileprivate func object() throws(GrapeError) -> JSONObject {
        guard let object = try value.objectValue else {
            throw GrapeError(.damaged, "a payload in the store is no JSON object")
        }
        return object
    }
}
