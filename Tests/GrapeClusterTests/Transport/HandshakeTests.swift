import GrapeCluster
import GrapeModel
import Testing

/// Who gets in, and who does not: both sides prove the token without sending it, and say who they are.
@Suite struct HandshakeTests {
    private typealias Identity = WireProtocol.Identity

    private func identity(_ name: String, _ number: UInt32 = 0) -> Identity {
        Identity(nodeID: name, number: number, cluster: number == 0 ? nil : TransportNode.cluster)
    }

    // MARK: Tokens

    @Test func `Nodes of one token meet, and know who the other is`() async throws {
        let (first, second) = try await TransportNode.pair()
        #expect(try await first.ask([1, 2], 2) == [1, 2])
        #expect(second.asked == [PeerIdentity(nodeID: "a", number: NodeNumber(1), cluster: TransportNode.cluster)])
        first.transport.sendReport([7], to: NodeNumber(2))
        try await until { !second.reports.isEmpty }
        #expect(second.reports[0].bytes == [7] && second.reports[0].from == NodeNumber(1))
        await first.transport.stop()
        await second.transport.stop()
    }

    @Test(arguments: ["other", nil])
    func `Nodes of different tokens don't meet, and both say why`(token: String?) async throws {
        let first = try await TransportNode("a", number: 1)
        let second = try await TransportNode("b", number: 2, token: token)
        first.know([2: second.address])
        try await until { first.refusals.contains { $0.contains("cluster_token differs") } }
        try await until { second.refusals.contains { $0.contains("cluster_token differs") } }
        #expect(!first.isConnected(to: 2))
        await #expect(throws: PeerFailure.self) { try await first.ask([1], 2, seconds: 0.3) }
        #expect(second.asked.isEmpty)
        await first.transport.stop()
        await second.transport.stop()
    }

    @Test func `Who answers a hello with the right proof is welcome, with any other proof is not`() async throws {
        let node = try await TransportNode("a", number: 1)
        let friend = try await RawPeer.connect(node.port)
        #expect(try await friend.enter(as: identity("b", 2), token: "secret"))
        for token in ["Secret", "", "secret "] {
            let stranger = try await RawPeer.connect(node.port)
            #expect(try await !stranger.enter(as: identity("c", 3), token: token))
            try await until { stranger.isClosed }
            #expect(stranger.refusal?.contains("cluster_token differs") == true)
        }
        let silent = try await RawPeer.connect(node.port)
        silent.send(WireProtocol.hello(identity("d", 4), nonce: WireProtocol.nonce))
        silent.send(WireProtocol.frame(.request, WireProtocol.little(1, 8) + [1]))
        try await until { silent.isClosed }
        #expect(node.asked.isEmpty)
        await node.transport.stop()
    }

    @Test func `A handshake that was overheard is worth nothing the second time`() async throws {
        let node = try await TransportNode("a", number: 1)
        let friend = try await RawPeer.connect(node.port)
        let name = identity("b", 2)
        #expect(try await friend.enter(as: name, token: "secret"))
        let server = Array(friend.frames[0].body[2..<34])
        let other = Array(friend.frames[0].body[34..<(friend.frames[0].body.count - 32)])
        let proof = WireProtocol.proof(
            "client", token: "secret", client: WireProtocol.nonce, server: server, name.bytes, other)
        let thief = try await RawPeer.connect(node.port)
        thief.send(WireProtocol.hello(name, nonce: WireProtocol.nonce) + WireProtocol.frame(.proof, proof))
        try await until { thief.isClosed }
        #expect(!thief.frames.contains { $0.kind == 4 })
        #expect(thief.frames.first?.body[2..<34] != server[...])
        await node.transport.stop()
    }

    @Test func `A node's own proofs, thrown back at it, prove nothing`() async throws {
        let node = try await TransportNode("a", number: 1)
        let mirror = try await RawServer.open()
        node.know([2: HostPort(host: "127.0.0.1", port: mirror.port)])
        let dialled = try await mirror.connection()
        try await until { !dialled.frames.isEmpty }
        // The node asks for a proof over this nonce; it is asked itself for the same.
        let nonce = Array(dialled.frames[0].body[7..<39])
        let back = try await RawPeer.connect(node.port)
        back.send(WireProtocol.hello(identity("b", 2), nonce: nonce))
        try await until { !back.frames.isEmpty }
        let challenge = back.frames[0].body
        #expect(challenge.count > 66)
        // As it is, with the node's own identity; and with another one.
        let renamed = Array(challenge[..<34]) + identity("b", 2).bytes + challenge.suffix(32)
        dialled.send(WireProtocol.frame(.challenge, renamed))
        try await until { dialled.isClosed }
        #expect(!dialled.frames.contains { $0.kind == 3 })
        try await until {
            node.transport.sendReport([1], to: NodeNumber(2))
            return mirror.connections.count > 1
        }
        let again = mirror.connections[1]
        try await until { !again.frames.isEmpty }
        again.send(WireProtocol.frame(.challenge, challenge))
        try await until { again.isClosed }
        #expect(!again.frames.contains { $0.kind == 3 })
        // The node's proof as one who answers is none of one who asks.
        back.send(WireProtocol.frame(.proof, Array(challenge.suffix(32))))
        try await until { back.isClosed }
        #expect(!back.frames.contains { $0.kind == 4 })
        mirror.close()
        await node.transport.stop()
    }

    // MARK: Names

    @Test func `A node of another cluster is refused, and the words say what to look at`() async throws {
        let node = try await TransportNode("a", number: 1)
        let foreign = try await TransportNode("b", number: 2, cluster: [UInt8](repeating: 5, count: 16))
        foreign.know([1: node.address])
        try await until { node.refusals.contains { $0.contains("different clusters") } }
        try await until { foreign.refusals.contains { $0.contains("different clusters") } }
        #expect(!foreign.isConnected(to: 1))
        // Before it knows a cluster of its own a node takes anybody who has the token, but not after.
        let joiner = try await TransportNode("c")
        let peer = try await RawPeer.connect(joiner.port)
        #expect(
            try await peer.enter(
                as: Identity(nodeID: "b", number: 2, cluster: [UInt8](repeating: 5, count: 16)), token: "secret"))
        joiner.transport.identify(cluster: TransportNode.cluster, number: NodeNumber(3))
        peer.send(WireProtocol.frame(.report, [1]))
        try await until { peer.isClosed }
        #expect(joiner.reports.isEmpty)
        for one in [node, foreign, joiner] { await one.transport.stop() }
    }

    @Test func `Two nodes of one id or one number are told so`() async throws {
        let node = try await TransportNode("a", number: 1)
        for (name, words) in [
            (identity("a", 7), "both nodes have node_id a"), (identity("b", 1), "a and b are both node number 1"),
        ] {
            let twin = try await RawPeer.connect(node.port)
            twin.send(WireProtocol.hello(name, nonce: WireProtocol.nonce))
            try await until { twin.isClosed }
            #expect(twin.refusal?.contains(words) == true)
        }
        await node.transport.stop()
    }

    @Test func `Of two nodes with one number the first one stays, until it is gone`() async throws {
        let node = try await TransportNode("a", number: 1)
        let first = try await RawPeer.connect(node.port)
        #expect(try await first.enter(as: identity("b", 2), token: "secret"))
        let bulk = try await RawPeer.connect(node.port)
        #expect(try await bulk.enter(as: identity("b", 2), token: "secret"))
        let copy = try await RawPeer.connect(node.port)
        #expect(try await !copy.enter(as: identity("c", 2), token: "secret"))
        #expect(copy.refusal?.contains("c says that it is node number 2, which is b") == true)
        first.close()
        try await until { node.lost == [NodeNumber(2)] }
        let early = try await RawPeer.connect(node.port)
        #expect(try await !early.enter(as: identity("c", 2), token: "secret"))
        bulk.close()
        try await until { node.lost.count == 2 }
        let late = try await RawPeer.connect(node.port)
        #expect(try await late.enter(as: identity("c", 2), token: "secret"))
        await node.transport.stop()
    }

    @Test func `A number without the cluster that gave it, other ids and other versions are refused`() async throws {
        let node = try await TransportNode("a")
        let good = identity("b")
        let hellos = [
            WireProtocol.hello(Identity(nodeID: "b", number: 2, cluster: nil), nonce: WireProtocol.nonce),
            WireProtocol.hello(Identity(nodeID: "", number: 0, cluster: nil), nonce: WireProtocol.nonce),
            WireProtocol.hello(Identity(nodeID: "b\n", number: 0, cluster: nil), nonce: WireProtocol.nonce),
            WireProtocol.hello(good, nonce: Array(WireProtocol.nonce.dropLast())),
            WireProtocol.hello(good, nonce: WireProtocol.nonce, version: 2),
            WireProtocol.frame(.hello, []), WireProtocol.frame(.hello, Array("GRPE".utf8)),
            WireProtocol.frame(.proof, [UInt8](repeating: 0, count: 32)), WireProtocol.frame(.welcome, []),
        ]
        for hello in hellos {
            let peer = try await RawPeer.connect(node.port)
            peer.send(hello)
            try await until { peer.isClosed }
            #expect(peer.frames.map(\.kind) == [5])
        }
        #expect(node.refusals.contains { $0.contains("speaks version 2") })
        await node.transport.stop()
    }

    @Test func `A node that listens where another one is expected is not taken for it`() async throws {
        let first = try await TransportNode("a", number: 1)
        let third = try await TransportNode("c", number: 3)
        first.know([2: third.address])
        try await until { first.refusals.contains { $0.contains("is node number 3, not 2") } }
        #expect(!first.isConnected(to: 2))
        await first.transport.stop()
        await third.transport.stop()
    }
}
