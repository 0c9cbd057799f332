import GrapeCluster
import GrapeModel
import GrapeRaft
import GrapeTestKit
import Synchronization
import Testing

/// Connections break, peers hang, and nothing waits for ever or without bound.
@Suite(.timeLimit(.minutes(5))) struct LinkTests {
    private let second = WireProtocol.Identity(nodeID: "b", number: 2, cluster: TransportNode.cluster)

    private func address(_ port: Int) -> HostPort { HostPort(host: "127.0.0.1", port: port) }

    /// A node that is connected to a peer played by the test.
    private func played(
        _ change: (inout TransportOptions) -> Void = { _ in }
    ) async throws -> (TransportNode, RawServer, RawPeer) {
        let server = try await RawServer.open()
        let node = try await TransportNode("a", number: 1, change)
        node.know([2: address(server.port)])
        let peer = try await server.connection()
        try await server.welcome(peer, as: second, token: "secret")
        try await until { node.isConnected(to: 2) }
        return (node, server, peer)
    }

    private func failure(_ body: () async throws -> [UInt8]) async throws -> PeerFailure {
        do {
            _ = try await body()
        } catch let error as PeerFailure {
            return error
        }
        throw PeerFailure(mayHaveArrived: true, message: "there was an answer")
    }

    // MARK: Breaking and coming back

    @Test func `A peer that hangs up at once is dialled in growing pauses`() async throws {
        let server = try await RawServer.open(closesAtOnce: true)
        let node = try await TransportNode("a", number: 1)
        let start = ContinuousClock.now
        node.know([2: address(server.port)])
        try await until {
            node.transport.sendReport([1], to: NodeNumber(2))
            return server.connections.count >= 5
        }
        // 100, 200, 400, 800 milliseconds, half of it by chance.
        #expect(ContinuousClock.now - start >= .milliseconds(750))
        await node.transport.stop()
        server.close()
    }

    @Test func `A peer that comes back is found again, and each break is told once`() async throws {
        let first = try await TransportNode("a", number: 1)
        var second = try await TransportNode("b", number: 2)
        for round in 1...3 {
            first.know([2: second.address])
            try await until { first.isConnected(to: 2) }
            #expect(try await first.ask([UInt8(round)], 2) == [UInt8(round)])
            await second.transport.stop()
            try await until { !first.isConnected(to: 2) }
            try await until { first.lost.count == round }
            second = try await TransportNode("b", number: 2)
        }
        try await Task.sleep(for: .milliseconds(50))
        #expect(first.lost == [NodeNumber(2), NodeNumber(2), NodeNumber(2)])
        await first.transport.stop()
        await second.transport.stop()
    }

    @Test func `The side that was dialled hears of the end too, of each connection once`() async throws {
        let (first, second) = try await TransportNode.pair()
        _ = try await first.ask([1], 2, lane: .bulk)
        await first.transport.stop()
        // Two came from there, one went there.
        try await until { second.lost.count == 3 }
        try await Task.sleep(for: .milliseconds(50))
        #expect(second.lost.count == 3)
        await second.transport.stop()
    }

    @Test func `A peer that says nothing any more is given up`() async throws {
        let (node, server, peer) = try await played { $0.silenceMilliseconds = 5_000 }
        let start = ContinuousClock.now
        let failure = try await failure { try await node.ask([1], 2, seconds: 120) }
        #expect(failure.mayHaveArrived)
        #expect(ContinuousClock.now - start < .seconds(60), "long before the deadline")
        #expect(peer.frames.contains { $0.kind == 10 })
        try await until { node.lost == [NodeNumber(2)] }
        await node.transport.stop()
        server.close()
    }

    /// Silence is long enough for a busy machine; the connection would be given up before the last ping all the same.
    @Test func `A peer that only answers pings stays`() async throws {
        let (node, server, peer) = try await played { $0.silenceMilliseconds = 6_000 }
        peer.answerPings()
        // Four pings go out in the time of one silence.
        try await until { peer.pongs >= 6 || peer.isClosed }
        #expect(node.isConnected(to: 2) && node.lost.isEmpty)
        await node.transport.stop()
        server.close()
    }

    @Test func `Nobody there: requests fail soon, and certainly did not arrive`() async throws {
        let server = try await RawServer.open()
        let port = server.port
        server.close()
        let node = try await TransportNode("a", number: 1)
        node.know([2: address(port)])
        for _ in 0..<3 {
            let start = ContinuousClock.now
            let failure = try await failure { try await node.ask([1], 2, seconds: 300) }
            #expect(!failure.mayHaveArrived)
            #expect(ContinuousClock.now - start < .seconds(60))
        }
        let unknown = try await failure { try await node.ask([1], 9) }
        #expect(!unknown.mayHaveArrived)
        await node.transport.stop()
        let stopped = try await failure {
            try await node.transport.request([1], at: address(port), deadline: .now + .seconds(5))
        }
        #expect(!stopped.mayHaveArrived)
    }

    @Test func `A member that moves is dialled where it is now`() async throws {
        let first = try await TransportNode("a", number: 1)
        let before = try await TransportNode("b", number: 2)
        let after = try await TransportNode("b", number: 2)
        first.know([2: before.address])
        try await until { first.isConnected(to: 2) }
        first.know([2: after.address])
        try await until { first.isConnected(to: 2) }
        _ = try await first.ask([1], 2)
        #expect(before.asked.isEmpty && after.asked.count == 1)
        first.know([:])
        try await until { after.lost == [NodeNumber(1)] }
        #expect(!first.isConnected(to: 2))
        for node in [first, before, after] { await node.transport.stop() }
    }

    // MARK: Deadlines

    @Test func `A request ends at its deadline, and an answer that comes later is nobody's`() async throws {
        let (first, second) = try await TransportNode.pair()
        let gate = Gate()
        let isLate = Gate()
        second.answers { body in
            if body == [1] {
                await gate.passed()
                isLate.open()
            }
            return body
        }
        let start = ContinuousClock.now
        let failure = try await failure { try await first.ask([1], 2, seconds: 0.2) }
        #expect(failure.mayHaveArrived)
        #expect((.milliseconds(150)..<(.seconds(60))).contains(ContinuousClock.now - start))
        for number in 2..<60 as Range<UInt8> {
            if number == 10 { gate.open() }
            if number == 20 { await isLate.passed() }
            #expect(try await first.ask([number], 2) == [number])
        }
        await first.transport.stop()
        await second.transport.stop()
    }

    @Test func `Who gives up waiting is let go at once`() async throws {
        let (node, server, _) = try await played()
        let start = ContinuousClock.now
        let task = Task { try await node.ask([1], 2, seconds: 300) }
        let unreachable = Task { () -> [UInt8] in
            try await node.transport.request([1], at: address(server.port), deadline: .now + .seconds(300))
        }
        try await Task.sleep(for: .milliseconds(50))
        task.cancel()
        unreachable.cancel()
        await #expect(throws: PeerFailure.self) { try await task.value }
        await #expect(throws: PeerFailure.self) { try await unreachable.value }
        #expect(ContinuousClock.now - start < .seconds(60))
        await node.transport.stop()
        server.close()
    }

    @Test(arguments: [true, false])
    func `Requests that wait when a side stops end at once, of unknown fate`(isCaller: Bool) async throws {
        let (first, second) = try await TransportNode.pair()
        let gate = Gate()
        second.answers { _ in
            await gate.passed()
            return []
        }
        let waiting = (0..<20).map { _ in Task { try await first.ask([1], 2, seconds: 300) } }
        try await until { second.asked.count == 20 }
        let start = ContinuousClock.now
        await (isCaller ? first : second).transport.stop()
        for task in waiting {
            do {
                _ = try await task.value
                Issue.record("there was an answer")
            } catch let error as PeerFailure {
                #expect(error.mayHaveArrived)
            }
        }
        #expect(ContinuousClock.now - start < .seconds(60))
        gate.open()
        await (isCaller ? second : first).transport.stop()
    }

    // MARK: Bounds

    @Test func `Of a peer that does not read no more waits than the bound, and requests fail at once`() async throws {
        let (node, server, peer) = try await played {
            $0.waitingBytesMax = 1 << 20
            $0.silenceMilliseconds = 60_000
        }
        try await peer.stopReading()
        var random = Xoshiro256(seed: 1)
        let body = (0..<100_000).map { _ in UInt8(random.below(256)) }
        // The operating system takes some megabytes, the node one.
        var failures = 0
        var waiting: [Task<[UInt8], any Error>] = []
        for _ in 0..<400 where failures < 3 {
            let start = ContinuousClock.now
            let task = Task { try await node.ask(body, 2, seconds: 300) }
            waiting.append(task)
            try await Task.sleep(for: .milliseconds(3))
            node.transport.sendReport(body, to: NodeNumber(2))
            let probe = Task { try await node.ask(body, 2, seconds: 0.05) }
            if let error = await probe.result.failure as? PeerFailure, !error.mayHaveArrived {
                #expect(ContinuousClock.now - start < .seconds(60))
                failures += 1
            }
        }
        #expect(failures == 3)
        peer.close()
        for task in waiting { _ = await task.result }
        // What waited does not count for the next connection.
        try await until {
            node.transport.sendReport([1], to: NodeNumber(2))
            return server.connections.count > 1
        }
        let again = server.connections[1]
        try await server.welcome(again, as: second, token: "secret")
        try await until { node.isConnected(to: 2) }
        for _ in 0..<9 { node.transport.sendReport(body, to: NodeNumber(2)) }
        try await until { again.frames.filter { $0.kind == 7 && $0.body.count == body.count }.count == 9 }
        await node.transport.stop()
        server.close()
    }

    @Test func `More requests than may be open fail at once, and the others are answered`() async throws {
        let gate = Gate()
        let first = try await TransportNode("a", number: 1) { $0.requestsMax = 50 }
        let second = try await TransportNode("b", number: 2) { $0.requestsMax = 20 }
        first.know([2: second.address])
        try await until { first.isConnected(to: 2) }
        second.answers { body in
            await gate.passed()
            return body
        }
        let tasks = (0..<80 as Range<UInt8>).map { number in Task { try await first.ask([number], 2) } }
        try await until { second.asked.count == 20 }
        try await Task.sleep(for: .milliseconds(50))
        gate.open()
        var answered = 0
        for (number, task) in tasks.enumerated() {
            switch await task.result {
            case .success(let answer):
                #expect(answer == [UInt8(number)])
                answered += 1
            case .failure(let error):
                #expect((error as? PeerFailure)?.mayHaveArrived == false)
            }
        }
        #expect(answered >= 20)
        #expect(first.lost.isEmpty && second.lost.isEmpty)
        #expect(try await first.ask([200], 2) == [200])
        await first.transport.stop()
        await second.transport.stop()
    }

    @Test func `Who asks and does not read the answers is not answered without end`() async throws {
        let node = try await TransportNode("a", number: 1) { $0.requestsMax = 16 }
        node.answers { _ in
            var random = Xoshiro256(seed: 1)
            return (0..<300_000).map { _ in UInt8(random.below(256)) }
        }
        let peer = try await RawPeer.connect(node.port)
        #expect(try await peer.enter(as: second, token: "secret"))
        try await peer.stopReading()
        // One after the other, each as long as the ones before were taken.
        for number in 0..<200 as Range<UInt64> {
            peer.send(WireProtocol.frame(.request, WireProtocol.little(number, 8)) + WireProtocol.frame(.ping, []))
            let end = ContinuousClock.now + .milliseconds(200)
            while node.asked.count <= number, ContinuousClock.now < end, !peer.isClosed {
                try await Task.sleep(for: .milliseconds(1))
            }
            if node.asked.count <= number { break }
        }
        // Those that wait, and what the operating system took.
        #expect(node.asked.count < 16 + 60)
        peer.close()
        await node.transport.stop()
    }
}

extension Result {
    fileprivate var failure: Failure? { if case .failure(let error) = self { error } else { nil } }
}
