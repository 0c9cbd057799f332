import GrapeCluster
import GrapeModel
import GrapeRaft
import GrapeStorage
import GrapeTestKit
import Testing

/// What stands on the wire, and what a hostile or damaged wire can do: end its own connection.
@Suite struct FrameTests {
    private let name = WireProtocol.Identity(nodeID: "b", number: 2, cluster: TransportNode.cluster)

    private func entered(_ node: TransportNode) async throws -> RawPeer {
        let peer = try await RawPeer.connect(node.port)
        #expect(try await peer.enter(as: name, token: "secret"))
        return peer
    }

    private func request(_ number: UInt64, _ body: [UInt8]) -> [UInt8] {
        WireProtocol.frame(.request, WireProtocol.little(number, 8) + body)
    }

    @Test func `Frames come whole, whether they arrive byte by byte or many at once`() async throws {
        let node = try await TransportNode("a", number: 1)
        let peer = try await entered(node)
        let frames = (0..<20 as Range<UInt64>).map { request($0, [UInt8($0), 1, 2]) }
        for byte in frames[..<3].flatMap({ $0 }) {
            peer.send([byte])
            try await Task.sleep(for: .microseconds(200))
        }
        peer.send(frames[3...].flatMap { $0 })
        try await until { peer.frames.count == 22 }
        let answers = peer.frames.dropFirst(2).map(\.body)
        #expect(Set(answers) == Set((0..<20 as Range<UInt64>).map { WireProtocol.little($0, 8) + [UInt8($0), 1, 2] }))
        await node.transport.stop()
    }

    @Test func `A long stream that never ends with a frame is read to its end`() async throws {
        let node = try await TransportNode("a", number: 1)
        let peer = try await entered(node)
        // Each write ends within a frame.
        let stream = (0..<600).flatMap {
            WireProtocol.frame(.report, [UInt8](repeating: UInt8($0 & 255), count: 5_000))
        }
        var rest = stream[...]
        while !rest.isEmpty {
            peer.send(Array(rest.prefix(4_999)))
            rest = rest.dropFirst(4_999)
        }
        try await until { node.reports.count == 600 }
        for (place, report) in node.reports.enumerated() {
            #expect(report.bytes == [UInt8](repeating: UInt8(place & 255), count: 5_000))
        }
        await node.transport.stop()
    }

    // MARK: Hostile bytes

    @Test func `Any altered bit of a frame ends the connection, and nothing of it is delivered`() async throws {
        let node = try await TransportNode("a", number: 1)
        let frame = WireProtocol.frame(.report, [1, 2, 3, 4])
        for bit in 0..<(frame.count * 8) {
            // A length that is longer just waits for more.
            let peer = try await entered(node)
            var altered = frame
            altered[bit / 8] ^= 1 << UInt8(bit % 8)
            peer.send(altered + [UInt8](repeating: 0, count: 70_000))
            try await until { peer.isClosed || bit >= 17 && bit < 32 }
            peer.close()
            try await until { peer.isClosed }
        }
        #expect(node.reports.isEmpty)
        await node.transport.stop()
    }

    @Test func `Lengths beyond the bound, kinds and blocks that can't be end the connection at once`() async throws {
        let node = try await TransportNode("a", number: 1)
        func block(_ count: UInt64, _ bytes: [UInt8]) -> [UInt8] {
            WireProtocol.frame(.report, WireProtocol.little(count, 4) + bytes, flags: 1)
        }
        let hostile = [
            WireProtocol.little(UInt64(UInt32.max), 4), WireProtocol.little(80 << 20 + 1, 4), WireProtocol.little(5, 4),
            WireProtocol.little(0, 4), WireProtocol.frame(0, []), WireProtocol.frame(13, [1]),
            WireProtocol.frame(255, []), WireProtocol.frame(.report, [1], flags: 1), block(0, []), block(0, [1]),
            block(1 << 31, [0]), block(79 << 20, [0xf0] + [UInt8](repeating: 255, count: 1_000)),
            block(100, [UInt8](repeating: 0xff, count: 50)), WireProtocol.frame(.messages, [1, 2, 3]),
            WireProtocol.frame(.messages, WireProtocol.little(UInt64(UInt32.max), 4)),
            WireProtocol.frame(.request, [1]),
            WireProtocol.frame(.hello, []), WireProtocol.frame(.welcome, []),
        ]
        for bytes in hostile {
            let peer = try await entered(node)
            peer.send(bytes)
            try await until { peer.isClosed }
        }
        #expect(node.reports.isEmpty && node.messages.isEmpty && node.asked.isEmpty)
        await node.transport.stop()
    }

    @Test func `Nobody who has not proved the token makes the node hold more than a few bytes`() async throws {
        let node = try await TransportNode("a", number: 1)
        let peer = try await RawPeer.connect(node.port)
        peer.send(WireProtocol.little(5_000, 4) + [1])
        try await until { peer.isClosed }
        await node.transport.stop()
    }

    @Test(arguments: 1...3 as ClosedRange<UInt64>)
    func `Noise, before the handshake and behind it, ends connections and nothing else`(seed: UInt64) async throws {
        let node = try await TransportNode("a", number: 1)
        var random = Xoshiro256(seed: seed)
        let valid = WireProtocol.hello(name, nonce: WireProtocol.nonce) + request(1, [1, 2, 3])
        for round in 0..<80 {
            let peer = round % 2 == 0 ? try await RawPeer.connect(node.port) : try await entered(node)
            var bytes = round % 4 < 2 ? (0..<random.within(1...300)).map { _ in UInt8(random.below(256)) } : valid
            for _ in 0..<random.below(6) { bytes[random.below(bytes.count)] ^= 1 << UInt8(random.below(8)) }
            peer.send(bytes)
            if round % 8 == 7 { try await Task.sleep(for: .milliseconds(1)) }
            peer.close()
            try await until { peer.isClosed }
        }
        let peer = try await entered(node)
        peer.send(request(3, [9]))
        try await until { peer.frames.count == 3 }
        #expect(peer.frames[2].body == WireProtocol.little(3, 8) + [9])
        await node.transport.stop()
    }

    // MARK: Compression

    @Test func `Large frames are compressed where that pays, and arrive as they were`() async throws {
        let server = try await RawServer.open()
        let node = try await TransportNode("a", number: 1)
        node.know([2: HostPort(host: "127.0.0.1", port: server.port)])
        let peer = try await server.connection()
        try await server.welcome(peer, as: name, token: "secret")
        try await until { node.isConnected(to: 2) }
        var random = Xoshiro256(seed: 1)
        let noise = (0..<20_000).map { _ in UInt8(random.below(256)) }
        let bodies = [[UInt8](repeating: 7, count: 100), [UInt8](repeating: 7, count: 20_000), noise]
        for (place, body) in bodies.enumerated() {
            node.transport.sendReport(body, to: NodeNumber(2))
            try await until { peer.frames.filter { $0.kind == 7 }.count == place + 1 }
            let frame = try #require(peer.frames.last { $0.kind == 7 })
            #expect(frame.flags == (place == 1 ? 1 : 0))
            guard place == 1 else {
                #expect(frame.body == body)
                continue
            }
            #expect(frame.body.count < 1_000)
            #expect(frame.body.prefix(4) == WireProtocol.little(20_000, 4)[...])
            #expect(LZ4Block.decompress(frame.body.span.extracting(4..<frame.body.count), count: 20_000) == body)
        }
        await node.transport.stop()
        server.close()
    }

    @Test func `Requests and answers of many sizes come back as they were, on both lanes`() async throws {
        let (first, second) = try await TransportNode.pair()
        second.answers { Array($0.reversed()) }
        var random = Xoshiro256(seed: 2)
        for size in [0, 1, 4_095, 4_096, 4_097, 100_000, 5 << 20] {
            let body = (0..<size).map {
                UInt8(truncatingIfNeeded: $0 / 7) ^ (size % 2 == 0 ? UInt8(random.below(256)) : 0)
            }
            for lane in [PeerLane.quick, .bulk] {
                #expect(try await first.ask(body, 2, lane: lane) == body.reversed())
            }
        }
        await first.transport.stop()
        await second.transport.stop()
    }

    // MARK: Messages

    private func message(_ random: inout Xoshiro256) -> GroupMessage {
        func number() -> UInt64 { random.below(3) == 0 ? 0 : random.next() >> UInt64(random.within(3...63)) }
        let kinds = (0..<40 as Range<UInt8>).compactMap(MessageKind.init).filter { !$0.isLocal }
        var message = Message(
            kinds[random.below(kinds.count)], from: ReplicaID(number()), to: ReplicaID(number()), term: Term(number()),
            logTerm: Term(number()), index: RaftIndex(number()), commit: RaftIndex(number()),
            reject: random.below(2) == 0, isTransfer: random.below(2) == 0)
        if random.below(2) == 0 {
            message.vote = ReplicaID(number())
            message.rejectHint = RaftIndex(number())
            message.context = number()
        }
        if random.below(3) == 0 {
            message.snapshot = GrapeRaft.Snapshot(
                term: Term(number()), index: RaftIndex(number()),
                confState: ConfState(voters: [ReplicaID(1), ReplicaID(2)], learners: [ReplicaID(9)]))
        }
        let first = random.below(1_000)
        for place in 0..<random.below(4) {
            let data = (0..<random.below(50)).map { _ in UInt8(random.below(256)) }
            message.entries.append(
                Entry(
                    term: Term(number()), index: RaftIndex(UInt64(first + place)),
                    kind: random.below(2) == 0 ? .normal : .confChangeV2, data: data))
        }
        return GroupMessage(group: random.below(2) == 0 ? .catalog : .shard(ShardID(3)), message: message)
    }

    @Test func `Messages come back from their bytes, and altered bytes are messages or none, never a trap`() {
        var random = Xoshiro256(seed: 3)
        for _ in 0..<3_000 {
            let messages = (0..<random.below(5)).map { _ in message(&random) }
            var bytes = messages.encoded
            let back = [GroupMessage](encoded: bytes)
            #expect(back?.map(\.group) == messages.map(\.group))
            #expect(back?.map(\.message) == messages.map(\.message))
            for _ in 0..<random.within(1...4) {
                bytes[random.below(bytes.count)] ^= 1 << UInt8(random.below(8))
            }
            if let other = [GroupMessage](encoded: bytes) { #expect(other.allSatisfy { !$0.message.kind.isLocal }) }
            #expect([GroupMessage](encoded: Array(bytes.dropLast(random.within(1...bytes.count)))) == nil)
        }
    }
}
