import Foundation

/// Nodes on 127.0.0.1 that reach each other's raft ports only through a proxy, which can cut them off from each other.
///
/// The directory goes when the cluster goes, unless it is to be kept.
package final class LocalCluster: Sendable {
    /// How the nodes come to know each other.
    package enum Introduction: String, Sendable, CaseIterable {
        /// Every node lists all of them in `initial_peers`.
        case peers
        /// As in the guide: the first lists all, the others join through it.
        case seeds
    }

    package struct Options: Sendable {
        package var nodes = 3
        package var introduction = Introduction.seeds
        package var electionTimeoutMilliseconds = 1_000
        /// Further settings of all nodes.
        package var settings: [String] = []
        /// Nil makes a directory that is removed in the end.
        package var directory: URL?

        package init() {}
    }

    package let nodes: [ClusterNode]
    package let proxy: RaftProxy
    package let options: Options
    private let root: URL

    /// Buffers for little data, and a short log, so that compaction and snapshots happen too.
    private static let small = [
        "--server.bind-address", "127.0.0.1", "--server.log-format", "json", "--storage.cache-size-mb", "32",
        "--storage.write-buffer-size-mb", "4", "--index.checkpoint-interval-secs", "5",
        "--raft.log-compaction-threshold", "500", "--raft.snapshot-interval", "100",
    ]
    package static let token = "a-token-for-tests"

    package init(_ options: Options = Options()) async throws {
        self.options = options
        root =
            options.directory
            ?? FileManager.default.temporaryDirectory.appendingPathComponent("grape-cluster-\(UUID().uuidString)")
        let ports = try await NodePorts.free(nodes: options.nodes)
        proxy = try await RaftProxy(targets: ports.map(\.raft))
        var nodes: [ClusterNode] = []
        for (index, ports) in ports.enumerated() {
            let settings = Self.settings(of: index, ports: ports, raftPorts: proxy.ports, options)
            nodes.append(
                try ClusterNode(
                    id: Self.nodeID(index), ports: ports, directory: root.appendingPathComponent(Self.nodeID(index)),
                    settings: ["--server.data-dir", root.path + "/\(Self.nodeID(index))/data"] + settings))
        }
        self.nodes = nodes
    }

    deinit {
        for node in nodes { node.send(SIGKILL) }
        if options.directory == nil { try? FileManager.default.removeItem(at: root) }
    }

    private static func nodeID(_ index: Int) -> String { "node-\(index + 1)" }

    private static func settings(of index: Int, ports: NodePorts, raftPorts: [Int], _ options: Options) -> [String] {
        var settings =
            small + [
                "--server.rest-port", "\(ports.rest)", "--server.grpc-port", "\(ports.grpc)",
                "--monitoring.prometheus-port", "\(ports.metrics)",
            ]
        if options.nodes > 1 {
            let members = raftPorts.enumerated().map { "\(nodeID($0.offset))@127.0.0.1:\($0.element)" }
            settings += [
                "--cluster.enabled", "true", "--cluster.node-id", nodeID(index),
                "--cluster.node-address", "127.0.0.1:\(ports.grpc)", "--cluster.raft-port", "\(ports.raft)",
                "--cluster.raft-address", "127.0.0.1:\(raftPorts[index])", "--cluster.cluster-token", token,
                "--raft.election-timeout-ms", "\(options.electionTimeoutMilliseconds)",
                "--raft.heartbeat-interval-ms", "\(options.electionTimeoutMilliseconds / 4)",
            ]
            // A fourth node and later ones are no founders.
            let founders = members.prefix(3)
            if index == 0 || options.introduction == .peers && index < 3 {
                settings += ["--cluster.initial-peers", founders.joined(separator: ",")]
            } else {
                settings += ["--cluster.join-cluster", "true", "--cluster.seed-nodes", members[0]]
            }
        }
        return settings + options.settings
    }
}

// MARK: - Starting and asking

extension LocalCluster {
    /// Starts the first nodes (three, or fewer where there are not so many) and waits until each is healthy.
    package func start() async throws {
        for index in nodes.indices.prefix(3) { try start(index) }
        for index in nodes.indices.prefix(3) { try await waitUntilHealthy(index) }
    }

    package func start(_ index: Int, extra: [String] = []) throws {
        try nodes[index].start(extra: extra)
        proxy.set(process: nodes[index].identifier ?? 0, of: index)
    }

    package func client(_ index: Int) -> RestClient { RestClient(port: nodes[index].ports.rest) }

    package func isHealthy(_ index: Int) async -> Bool {
        var client = client(index)
        let answer = await client.send(.GET, "/health", timeout: .seconds(3)).answer
        await client.close()
        return answer?.status == 200
    }

    /// - Returns: how long it took.
    @discardableResult
    package func waitUntilHealthy(_ index: Int, seconds: Double = ClusterNode.patience) async throws -> Duration {
        let node = nodes[index]
        let begin = ContinuousClock.now
        var isHealthy = false
        _ = await poll(for: .seconds(seconds), every: .milliseconds(50)) {
            isHealthy = await self.isHealthy(index)
            return isHealthy || !node.isRunning
        }
        guard isHealthy else {
            throw ClusterNode.Failure(
                "\(node.id) is not healthy after \(seconds) s or has ended\n\(node.logEnd)")
        }
        return ContinuousClock.now - begin
    }

    /// Waits until the node answers a strong read. One that was cut off is in contact to a majority again then, which its
    /// health does not tell: that looks back over two election timeouts.
    package func waitUntilReading(_ index: Int, seconds: Double = ClusterNode.patience) async throws {
        var client = client(index)
        var isAnswered = false
        _ = await poll(for: .seconds(seconds), every: .milliseconds(50)) {
            let status = await client.send(.GET, "/vectors/0", timeout: .seconds(3)).answer?.status
            isAnswered = status == 200 || status == 404
            return isAnswered
        }
        await client.close()
        guard isAnswered else {
            throw ClusterNode.Failure("\(nodes[index].id) answers no strong read after \(seconds) s")
        }
    }

    /// What the node says at a path under /cluster; nil without a 200.
    package func status(_ path: String, at index: Int, timeout: Duration = .seconds(5)) async -> ClusterStatus? {
        var client = client(index)
        let answer = await client.send(.GET, path, timeout: timeout).answer
        await client.close()
        return answer.flatMap { $0.status == 200 ? ClusterStatus($0) : nil }
    }

    /// Waits until every shard has a leader and as many replicas that keep up as it should.
    package func waitUntilWhole(at index: Int, seconds: Double = ClusterNode.patience) async throws {
        var last: ClusterStatus?
        let isWhole = await poll(for: .seconds(seconds), every: .milliseconds(100)) {
            last = await self.status("/cluster/shards", at: index)
            return last?.isWhole ?? false
        }
        guard isWhole else {
            throw ClusterNode.Failure(
                "shards are not healthy after \(seconds) s: \(last?.text ?? "no answer")")
        }
    }

    package func index(of nodeID: String) -> Int? { nodes.firstIndex { $0.id == nodeID } }
}
