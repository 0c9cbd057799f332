import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeTestKit
import Logging
import Testing

/// What a running member answers others on its port: nodes that want in, members, and whoever sends anything else.
@Suite(.serialized) struct PeerGatewayTests {
    private static let shards = 4

    /// A member alone in its cluster, which others may join.
    private struct Member {
        let directory: TemporaryDirectory
        let options: NodeOptions
        let node: Node
        let address: HostPort

        init() async throws {
            var last = GrapeError(.cannotStart, "no port was tried")
            for _ in 0..<50 {
                // Below those that the system gives to outgoing connections.
                let port = Int.random(in: 31_001..<32_768)
                do {
                    self = try await Member(port: port)
                    return
                } catch let error as GrapeError where error.code == .cannotStart {
                    last = error
                }
            }
            throw last
        }

        private init(port: Int) async throws {
            directory = try TemporaryDirectory()
            address = HostPort(host: "127.0.0.1", port: port)
            var options = NodeOptions(dataDirectory: directory.path)
            options.nodeID = "node-1"
            options.shardCount = shards
            options.storage.cacheBytes = 4 << 20
            options.storage.writeBufferBytes = 1 << 20
            // Who is alone leads at once, and goes on leading though the machine stands still for a while.
            options.raft.electionTimeoutMilliseconds = 30_000
            options.raft.heartbeatMilliseconds = 50
            options.addresses.raft = address
            var cluster = ClusterOptions(listen: address)
            cluster.token = "secret"
            options.cluster = cluster
            self.options = options
            node = try await Self.open(options)
        }

        static func open(_ options: NodeOptions) async throws -> Node {
            try await Node.open(options, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        }
    }

    private func greeting(_ name: String, boot: UInt64 = 7, shardCount: Int = shards) -> Greeting {
        let addresses = MemberAddresses(
            grpc: HostPort(host: "127.0.0.1", port: 3), rest: HostPort(host: "127.0.0.1", port: 2),
            raft: HostPort(host: "127.0.0.1", port: 1))
        return Greeting(
            nodeID: name, bootID: boot, initialPeers: [], shardCount: shardCount, addresses: addresses, version: "1")
    }

    private func ask(_ member: Member, _ stranger: TransportNode, _ body: [UInt8]) async throws -> [UInt8] {
        try await stranger.transport.request(body, at: member.address, deadline: .now + .seconds(60))
    }

    private func ask(
        _ member: Member, _ stranger: TransportNode, _ request: BootstrapRequest
    ) async throws -> BootstrapAnswer? {
        // The catalog's leader may still be about to begin.
        for _ in 0..<6_000 {
            let answer = BootstrapAnswer(encoded: try await ask(member, stranger, request.encoded))
            guard case .wait? = answer else { return answer }
            try await Task.sleep(for: .milliseconds(10))
        }
        return nil
    }

    @Test func `A node that asks is told of the cluster, admitted once, and always under the same number`() async throws
    {
        let member = try await Member()
        let joiner = try await TransportNode("node-2")
        guard case .member(let cluster)? = try await ask(member, joiner, .hello) else {
            Issue.record("no cluster")
            return
        }
        var numbers: Set<NodeNumber> = []
        for _ in 0..<3 {
            guard case .admitted(let founded, let number)? = try await ask(member, joiner, .join(greeting("node-2")))
            else {
                Issue.record("not admitted")
                return
            }
            #expect(founded.cluster == cluster)
            #expect(founded.layout.member(number)?.nodeID == "node-2")
            numbers.insert(number)
        }
        #expect(numbers == [NodeNumber(2)])
        guard case .layout(let layout)? = try await ask(member, joiner, .layout) else {
            Issue.record("no layout")
            return
        }
        #expect(layout.members.map(\.nodeID) == ["node-1", "node-2"])
        await joiner.transport.stop()
        await member.node.close()
    }

    @Test func `A member that opens again is not healthy until it has heard of a majority, from the first moment on`()
        async throws
    {
        let member = try await Member()
        let joiner = try await TransportNode("node-2")
        guard case .admitted? = try await ask(member, joiner, .join(greeting("node-2"))) else {
            Issue.record("not admitted")
            return
        }
        await joiner.transport.stop()
        await member.node.close()
        let again = try await Member.open(member.options)
        #expect(again.refusal?.message.contains("only 1 of 2 members") ?? false)
        await again.close()
    }

    @Test func `Who can't be a member hears why, and what to do`() async throws {
        let member = try await Member()
        let joiner = try await TransportNode("node-2")
        func refusal(_ request: BootstrapRequest) async throws -> String {
            if case .refused(let reason)? = try await ask(member, joiner, request) { reason } else { "" }
        }
        #expect(try await refusal(.join(greeting("node-2", shardCount: 16))).contains("sharding.shard_count = 4"))
        #expect(try await refusal(.join(greeting("node-3"))) == "node-2 can't join as node-3")
        guard case .admitted? = try await ask(member, joiner, .join(greeting("node-2"))) else {
            Issue.record("not admitted")
            return
        }
        let emptied = try await refusal(.join(greeting("node-2", boot: 8)))
        #expect(emptied.contains("/cluster/leave") && emptied.contains("\"node_id\":\"node-2\""))
        let other = FoundedCluster(
            cluster: PointID(canonical: Array("a8098c1a-f86e-11da-bd1a-00112444be1e".utf8)), layout: ClusterLayout())
        #expect(try await refusal(.found(other)).contains("belongs to cluster"))
        await joiner.transport.stop()
        await member.node.close()
    }

    @Test func `Who is no member can only ask to become one, and noise is not understood`() async throws {
        let member = try await Member()
        let stranger = try await TransportNode("node-2")
        let count = PeerRequest.count(CollectionID(1), ShardSet([ShardID(0)])).encoded(timeoutMilliseconds: 100)
        let unreadable = PeerAnswer.unreadable.encoded
        for body in [count, [], [0x00], [0x20], [0x10, 1, 2, 3], [0x11], [0xff] + count] {
            #expect(try await ask(member, stranger, body) == unreadable)
        }
        var random = Xoshiro256(seed: 4)
        for _ in 0..<300 {
            var body = BootstrapRequest.join(greeting("node-2")).encoded
            for _ in 0..<random.within(1...3) { body[random.below(body.count)] ^= 1 << UInt8(random.below(8)) }
            // Another request of a joiner's may come of it.
            _ = try await ask(member, stranger, Array(body.prefix(random.within(1...body.count))))
        }
        guard case .member? = try await ask(member, stranger, .hello) else {
            Issue.record("no cluster")
            return
        }
        await stranger.transport.stop()
        await member.node.close()
    }

    @Test func `A member's requests are answered, and the page of metrics names the groups`() async throws {
        let member = try await Member()
        let joiner = try await TransportNode("node-2")
        guard case .admitted(let founded, let number)? = try await ask(member, joiner, .join(greeting("node-2"))) else {
            Issue.record("not admitted")
            return
        }
        joiner.transport.identify(cluster: Array(founded.cluster.encoded.dropFirst()), number: number)
        joiner.know([1: member.address])
        let request = PeerRequest.count(CollectionID(1), ShardSet((0..<4 as Range<UInt16>).map { ShardID($0) }))
        var answer: PeerAnswer?
        try await until {
            let bytes = try? await joiner.ask(request.encoded(timeoutMilliseconds: 60_000), 1)
            answer = bytes.flatMap { PeerAnswer(encoded: $0) }
            if case .count(0)? = answer { return true }
            return false
        }
        // Messages and reports of hostile content, and in another node's name, change nothing.
        var random = Xoshiro256(seed: 6)
        for _ in 0..<100 {
            joiner.transport.sendReport((0..<random.below(80)).map { _ in UInt8(random.below(256)) }, to: NodeNumber(1))
        }
        #expect(joiner.isConnected(to: 1))
        let scrape = try await RawPeer.connect(member.address.port)
        scrape.send(Array("GET /raft/metrics HTTP/1.1\r\n\r\n".utf8))
        try await until { scrape.isClosed }
        #expect(String(decoding: scrape.received, as: UTF8.self).contains("catalog"))
        await joiner.transport.stop()
        await member.node.close()
    }
}
