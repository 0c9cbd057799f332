import Foundation
import GrapeCluster
import GrapeModel
import GrapeTestKit
import NIOSSL
import Testing

/// What else happens on the port for nodes: scrapes, and TLS.
@Suite struct PeerPortTests {
    private let name = WireProtocol.Identity(nodeID: "b", number: 2, cluster: TransportNode.cluster)

    private func text(_ peer: RawPeer) -> String { String(decoding: peer.received, as: UTF8.self) }

    // MARK: Scrapes

    @Test func `The page of metrics is answered beside the nodes' connections`() async throws {
        let node = try await TransportNode("a", number: 1)
        for path in ["/raft/metrics", "/raft/metrics?name=x"] {
            let peer = try await RawPeer.connect(node.port)
            let request = Array("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
            for byte in request { peer.send([byte]) }
            try await until { peer.isClosed }
            #expect(text(peer).hasPrefix("HTTP/1.1 200 OK\r\n"))
            #expect(text(peer).contains("Content-Length: 18\r\n"))
            #expect(text(peer).hasSuffix("\r\n\r\ngrape_raft_term 7\n"))
        }
        for path in ["/", "/metrics", "/raft/metricsx", "/raft/metrics/"] {
            let peer = try await RawPeer.connect(node.port)
            peer.send(Array("GET \(path) HTTP/1.1\r\n\r\n".utf8))
            try await until { peer.isClosed }
            #expect(text(peer).hasPrefix("HTTP/1.1 404 Not Found\r\n"))
        }
        await node.transport.stop()
    }

    @Test func `A head without end and a method that is none are hung up on`() async throws {
        let node = try await TransportNode("a", number: 1)
        let long = try await RawPeer.connect(node.port)
        long.send(Array("GET /raft/metrics HTTP/1.1\r\n".utf8) + [UInt8](repeating: 65, count: 9_000))
        try await until { long.isClosed }
        #expect(long.received.isEmpty)
        let other = try await RawPeer.connect(node.port)
        other.send(Array("POST /raft/metrics HTTP/1.1\r\n\r\n".utf8))
        try await until { other.isClosed }
        #expect(!text(other).contains("HTTP"))
        await node.transport.stop()
    }

    // MARK: TLS

    @Test func `With certificates of one authority nodes meet over TLS, and the page is there too`() async throws {
        guard let files = try Certificates() else { return }
        let (first, second) = try await TransportNode.pair { $0.tls = files.own }
        let body = [UInt8](repeating: 3, count: 3 << 20)
        #expect(try await first.ask(body, 2, lane: .bulk) == body)
        let scrape = try await RawPeer.connect(first.port, tls: try files.context(files.own))
        scrape.send(Array("GET /raft/metrics HTTP/1.1\r\n\r\n".utf8))
        try await until { scrape.isClosed }
        #expect(text(scrape).hasSuffix("grape_raft_term 7\n"))
        let plain = try await RawPeer.connect(first.port)
        plain.send(Array("GET /raft/metrics HTTP/1.1\r\n\r\n".utf8))
        try await until { plain.isClosed }
        #expect(text(plain).hasSuffix("grape_raft_term 7\n"))
        await first.transport.stop()
        await second.transport.stop()
    }

    @Test func `Plain connections, no certificate, and one of another authority are refused where TLS is on`()
        async throws
    {
        guard let files = try Certificates() else { return }
        let node = try await TransportNode("a", number: 1) { $0.tls = files.own }
        let plain = try await RawPeer.connect(node.port)
        plain.send(WireProtocol.hello(name, nonce: WireProtocol.nonce))
        try await until { plain.isClosed }
        #expect(plain.received.isEmpty)
        #expect(node.refusals.contains { $0.contains("without TLS") })
        for context in [try files.context(nil), try files.context(files.foreign)] {
            let stranger = try await RawPeer.connect(node.port, tls: context)
            stranger.send(WireProtocol.hello(name, nonce: WireProtocol.nonce))
            try await until { stranger.isClosed }
            #expect(stranger.received.isEmpty)
        }
        let foreign = try await TransportNode("b", number: 2) { $0.tls = files.foreign }
        let bare = try await TransportNode("c", number: 3)
        for other in [foreign, bare] {
            other.know([1: node.address])
            node.know([2: foreign.address, 3: bare.address])
            await #expect(throws: PeerFailure.self) { try await other.ask([1], 1, seconds: 1) }
        }
        #expect(!node.isConnected(to: 2) && !node.isConnected(to: 3))
        #expect(node.asked.isEmpty)
        for one in [node, foreign, bare] { await one.transport.stop() }
    }

    @Test func `A certificate alone is not enough: the token is asked for behind TLS too`() async throws {
        guard let files = try Certificates() else { return }
        let node = try await TransportNode("a", number: 1) { $0.tls = files.own }
        let peer = try await RawPeer.connect(node.port, tls: try files.context(files.own))
        #expect(try await !peer.enter(as: name, token: "guess"))
        let friend = try await RawPeer.connect(node.port, tls: try files.context(files.own))
        #expect(try await friend.enter(as: name, token: "secret"))
        await node.transport.stop()
    }

    @Test func `Files that are none are named at the start`() {
        let tls = TransportOptions.TLSFiles(certificate: "/none.pem", key: "/none.key", authority: "/none.ca")
        #expect(throws: GrapeError.self) {
            var options = TransportOptions(listen: HostPort(host: "127.0.0.1", port: 0), nodeID: "a")
            options.tls = tls
            _ = try Transport(options, logger: NotedLines().logger)
        }
    }
}

/// Two authorities and a node's certificate of each, made by the `openssl` command.
private struct Certificates {
    let own: TransportOptions.TLSFiles
    let foreign: TransportOptions.TLSFiles
    private let directory: TemporaryDirectory

    /// nil, with a message, where there is no such command.
    init?() throws {
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/openssl") else {
            print("no /usr/bin/openssl: TLS between nodes is not tested")
            return nil
        }
        directory = try TemporaryDirectory()
        own = try Self.make("own", in: directory.path)
        foreign = try Self.make("foreign", in: directory.path)
    }

    private static func make(_ name: String, in directory: String) throws -> TransportOptions.TLSFiles {
        let path = "\(directory)/\(name)"
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        try run(
            [
                "req", "-x509", "-days", "2", "-subj", "/CN=\(name)-ca", "-keyout", "\(path)-ca.key", "-out",
                "\(path)-ca.pem",
            ]
                + key)
        try run(["req", "-subj", "/CN=\(name)-node", "-keyout", "\(path).key", "-out", "\(path).csr"] + key)
        try run(
            [
                "x509", "-req", "-days", "2", "-in", "\(path).csr", "-CA", "\(path)-ca.pem", "-CAkey", "\(path)-ca.key",
                "-CAcreateserial", "-out", "\(path).pem",
            ])
        return TransportOptions.TLSFiles(
            certificate: "\(path).pem", key: "\(path).key", authority: "\(path)-ca.pem")
    }

    private static func run(_ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
        process.arguments = arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "openssl \(arguments.joined(separator: " "))")
    }

    /// What a client shows: the files' certificate, or none.
    func context(_ files: TransportOptions.TLSFiles?) throws -> NIOSSLContext {
        var client = TLSConfiguration.makeClientConfiguration()
        client.certificateVerification = .none
        if let files {
            client.certificateChain = try NIOSSLCertificate.fromPEMFile(files.certificate).map { .certificate($0) }
            client.privateKey = .privateKey(try NIOSSLPrivateKey(file: files.key, format: .pem))
        }
        return try NIOSSLContext(configuration: client)
    }
}
