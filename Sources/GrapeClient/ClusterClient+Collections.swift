import GrapeModel

extension ClusterClient {
    /// Makes a collection of one unnamed vector.
    ///
    /// - Throws: `conflict` where there is one of this name; `outcomeUnknown` where the answer was lost: it is not
    ///   repeated then.
    public func createCollection(
        _ name: String, dimension: Int, metric: Metric = .cosine
    ) async throws(GrapeError) {
        var json = JSONWriter()
        json.beginObject()
        json.key("vectors")
        json.beginObject()
        json.field("size", dimension)
        json.field("distance", metric.rawValue)
        json.endObject()
        json.endObject()
        _ = try await perform(Call(.PUT, "/collections/\(Call.segment(name))", .write, body: json.bytes))
    }

    /// Drops a collection with its points.
    ///
    /// - Returns: Whether there was such a collection.
    /// - Throws: `outcomeUnknown` where the answer was lost: it is not repeated then.
    @discardableResult
    public func dropCollection(_ name: String) async throws(GrapeError) -> Bool {
        try await perform(Call(.DELETE, "/collections/\(Call.segment(name))", .write)).field("result") { $0.bool }
    }

    /// The names of all collections.
    public func collections() async throws(GrapeError) -> [String] {
        try await perform(Call(.GET, "/collections", .read)).field("result") { result in
            result.field("collections")?.elements.compactMap { $0.field("name")?.string }
        }
    }

    /// The cluster as the node that answers sees it, with the fields of `GET /cluster/info`.
    public func clusterInfo() async throws(GrapeError) -> JSONValue {
        try JSONValue(parsing: try await perform(Call(.GET, "/cluster/info", .read)).body)
    }
}
