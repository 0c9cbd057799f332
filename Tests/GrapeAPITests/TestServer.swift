import GrapeAPI
import GrapeCluster
import GrapeModel
import GrapeTestKit
import Logging
import ServiceLifecycle

/// A REST and a gRPC server with a metrics port, on ports of their own, over a node in a directory of its own.
final class TestServer: Sendable {
    let port: Int
    let grpcPort: Int
    let metricsPort: Int
    let serving: ServingState
    private let directory: TemporaryDirectory
    private let group: ServiceGroup
    private let running: Task<Void, any Error>
    private let node: Node?

    /// - Parameters:
    ///   - opensNode: false: the server stays in the state in which it is before the node has opened.
    static func start(
        opensNode: Bool = true, configure: (inout APIOptions) -> Void = { _ in }
    ) async throws -> TestServer {
        var options = APIOptions()
        options.restPort = 0
        options.grpcPort = 0
        options.prometheusPort = 0
        options.stopSeconds = 2
        configure(&options)
        return try await TestServer(options, opensNode: opensNode)
    }

    /// Runs `body` with a server that is stopped afterwards.
    static func with(opensNode: Bool = true, body: (TestServer) async throws -> Void) async throws {
        try await with(configure: { _ in }, opensNode: opensNode, body: body)
    }

    static func with(
        configure: (inout APIOptions) -> Void, opensNode: Bool = true, body: (TestServer) async throws -> Void
    ) async throws {
        let server = try await start(opensNode: opensNode, configure: configure)
        do {
            try await body(server)
        } catch {
            await server.stop()
            throw error
        }
        await server.stop()
    }

    private init(_ options: APIOptions, opensNode: Bool) async throws {
        directory = try TemporaryDirectory()
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let serving = ServingState()
        let metrics = ServerMetrics(options)
        let rest = RESTServer(options: options, serving: serving, metrics: metrics, logger: logger)
        let prometheus = MetricsServer(options: options, serving: serving, metrics: metrics, logger: logger) {
            rest.activeConnections
        }
        let grpc = GRPCServer(options: options, serving: serving, metrics: metrics, logger: logger)
        let group = ServiceGroup(services: [rest, grpc, prometheus], logger: logger)
        self.group = group
        running = Task { try await group.run() }
        port = try await rest.boundPort()
        grpcPort = try await grpc.boundPort()
        metricsPort = try await prometheus.boundPort()
        self.serving = serving
        var nodeOptions = NodeOptions(dataDirectory: directory.path + "/data")
        nodeOptions.addresses.grpc = HostPort(host: "127.0.0.1", port: 6334)
        nodeOptions.limits = options.limits
        node = opensNode ? try await Node.open(nodeOptions, logger: logger) : nil
        if let node { serving.serve(node) }
    }

    func beginStop() async { await group.triggerGracefulShutdown() }

    func stop() async {
        await group.triggerGracefulShutdown()
        _ = try? await running.value
        await node?.close()
    }

    /// One request on a connection of its own.
    func call(
        _ method: String, _ path: String, _ body: String? = nil, headers: [String: String] = [:]
    ) async throws -> RawConnection.Response {
        try await call(method, path, bytes: body.map { Array($0.utf8) }, headers: headers)
    }

    func call(
        _ method: String, _ path: String, bytes: [UInt8]?, headers: [String: String] = [:]
    ) async throws -> RawConnection.Response {
        let connection = try await RawConnection.open(port: port)
        var head = "\(method) \(path) HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"
        for (name, value) in headers { head += "\(name): \(value)\r\n" }
        if let bytes { head += "Content-Length: \(bytes.count)\r\n" }
        try await connection.send(Array((head + "\r\n").utf8) + (bytes ?? []))
        return try await connection.response(toHead: method == "HEAD")
    }
}
