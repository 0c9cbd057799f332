import GrapeFaults
import GrapeModel
import NIOHTTP1

/// What the tests of clusters ask of nodes again and again.
extension LocalCluster {
    /// A cluster that runs, whole.
    static func running(
        nodes: Int = 3, introduction: Introduction = .peers, settings: [String] = []
    ) async throws -> LocalCluster {
        var options = Options()
        options.nodes = nodes
        options.introduction = introduction
        options.settings = settings
        let cluster = try await LocalCluster(options)
        try await cluster.start()
        try await cluster.waitUntilWhole(at: 0)
        return cluster
    }

    /// One request on a connection of its own.
    func ask(
        _ method: HTTPMethod, _ path: String, _ body: String = "", at node: Int, timeout: Duration = .seconds(10)
    ) async -> RestAnswer? {
        var client = client(node)
        let outcome = await client.send(method, path, json: Array(body.utf8), timeout: timeout)
        await client.close()
        return outcome.answer
    }

    /// Writes `count` points; throws unless each is acknowledged.
    func write(_ count: Int, from first: Int = 0, at node: Int = 0) async throws {
        var client = client(node)
        for number in first..<(first + count) {
            let body = Array(Self.point(number).utf8)
            let answer = await client.send(.POST, "/vectors", json: body).answer
            guard answer?.status == 200 else {
                throw ClusterNode.Failure("point \(number): \(answer?.text ?? "no answer")")
            }
        }
        await client.close()
    }

    /// The numbers below `count` whose points a node does not have as they were written.
    func missing(_ count: Int, at node: Int, query: String = "") async -> [Int] {
        var client = client(node)
        var missing: [Int] = []
        for number in 0..<count {
            let answer = await client.send(.GET, "/vectors/\(number)\(query)").answer
            let found = answer.flatMap { try? JSONDocument(parsing: $0.body) }?.root.field("payload")?.field("number")
            if found?.int64 != Int64(number) { missing.append(number) }
        }
        await client.close()
        return missing
    }

    static func point(_ number: Int) -> String {
        #"{"id": \#(number), "vector": [\#(number + 1), 2, 3], "payload": {"number": \#(number)}}"#
    }

    /// The cluster that a node says it belongs to.
    func clusterID(at node: Int) async -> String? {
        await status("/cluster/info", at: node)?.clusterID
    }

    /// Until the members of the cluster, as a node sees them, are these.
    func waitUntilMembers(_ ids: [String], at node: Int, seconds: Double = ClusterNode.patience) async throws {
        var last: ClusterStatus?
        let came = await poll(for: .seconds(seconds), every: .milliseconds(100)) {
            last = await self.status("/cluster/nodes", at: node)
            return last?.members.filter { $0.value == "alive" }.keys.sorted() == ids.sorted()
                && last?.members.count == ids.count
        }
        guard came else {
            throw ClusterNode.Failure("members should be \(ids) alive: \(last?.text ?? "no answer")")
        }
    }

    func waitUntilIdle(at node: Int, seconds: Double = 60) async throws {
        let isIdle = await poll(for: .seconds(seconds), every: .milliseconds(100)) {
            await self.status("/cluster/migration/status", at: node)?.state == "idle"
        }
        guard isIdle else { throw ClusterNode.Failure("replicas still move after \(seconds) s") }
    }
}
