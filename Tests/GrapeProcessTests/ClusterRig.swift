import Foundation
import GrapeFaults
import GrapeModel
import NIOHTTP1

/// What the tests of clusters ask of nodes again and again.
extension LocalCluster {
    /// Other tests share the cores, where a node may stand still for seconds, and would count as gone.
    static let electionTimeoutMilliseconds = 3_000
    /// How long what a busy machine holds up may take.
    static let patience = Duration.seconds(60)

    /// A cluster that runs, whole.
    static func running(
        nodes: Int = 3, introduction: Introduction = .peers, settings: [String] = []
    ) async throws -> LocalCluster {
        var options = Options()
        options.nodes = nodes
        options.introduction = introduction
        options.settings = settings
        options.electionTimeoutMilliseconds = electionTimeoutMilliseconds
        let cluster = try await LocalCluster(options)
        try await cluster.start()
        try await cluster.waitUntilWhole(at: 0)
        return cluster
    }

    /// One request on a connection of its own.
    func ask(
        _ method: HTTPMethod, _ path: String, _ body: String = "", at node: Int, timeout: Duration = patience
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
            let answer = await write(number, over: &client)
            guard answer?.status == 200 else {
                throw ClusterNode.Failure("point \(number): \(answer?.text ?? "no answer")")
            }
        }
        await client.close()
    }

    /// Again where it is refused for now, or nobody knows: under its key it is applied once.
    private func write(_ number: Int, over client: inout RestClient) async -> RestAnswer? {
        let (body, key) = (Array(Self.point(number).utf8), UUID().uuidString)
        return await lasting {
            await client.send(.POST, "/vectors", json: body, idempotencyKey: key, timeout: Self.patience).answer
        }
    }

    /// The answer of a node that has one: it is asked again where a majority is looked for, or nothing came.
    private func lasting(_ answer: () async -> RestAnswer?) async -> RestAnswer? {
        var last: RestAnswer?
        _ = await poll(for: Self.patience, every: .milliseconds(100)) {
            last = await answer()
            return last.map { ![429, 503, 504].contains($0.status) } ?? false
        }
        return last
    }

    /// The numbers below `count` whose points a node does not have as they were written, with what it says.
    func missing(_ count: Int, at node: Int, query: String = "") async -> [Int: String] {
        var client = client(node)
        var missing: [Int: String] = [:]
        for number in 0..<count {
            let path = "/vectors/\(number)\(query)"
            let answer = await lasting { await client.send(.GET, path).answer }
            let found = answer.flatMap { try? JSONDocument(parsing: $0.body) }?.root.field("payload")?.field("number")
            if found?.int64 != Int64(number) {
                missing[number] = answer.map { "\($0.status) \($0.text)" } ?? "no answer"
            }
            // A node that has no answer for so long has none to the others either.
            guard let answer, [200, 404].contains(answer.status) else { break }
        }
        await client.close()
        return missing
    }

    /// Until a node has them all itself, without asking others.
    func waitUntilHolding(_ count: Int, at node: Int) async throws {
        var last: [Int: String] = [:]
        let holds = await poll(for: Self.patience, every: .milliseconds(100)) {
            last = await self.missing(count, at: node, query: "?consistency=eventual")
            return last.isEmpty
        }
        guard holds else { throw ClusterNode.Failure("node \(node + 1) lacks points \(last)") }
    }

    /// Has a member leave. Asked again where it is refused, as it is while another member seems to be gone.
    func leave(_ id: String, at node: Int) async throws {
        var last: RestAnswer?
        let isTaken = await poll(for: Self.patience, every: .milliseconds(200)) {
            last = await self.ask(.POST, "/cluster/leave", #"{"node_id": "\#(id)"}"#, at: node)
            return last?.status == 202
        }
        guard isTaken else { throw ClusterNode.Failure("\(id) can't leave: \(last?.text ?? "no answer")") }
    }

    static func point(_ number: Int) -> String {
        #"{"id": \#(number), "vector": [\#(number + 1), 2, 3], "payload": {"number": \#(number)}}"#
    }

    /// The cluster that a node says it belongs to.
    func clusterID(at node: Int, timeout: Duration = patience) async -> String? {
        await status("/cluster/info", at: node, timeout: timeout)?.clusterID
    }

    /// Until the members of the cluster, as a node sees them, are these.
    func waitUntilMembers(_ ids: [String], at node: Int, seconds: Double = 60) async throws {
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
