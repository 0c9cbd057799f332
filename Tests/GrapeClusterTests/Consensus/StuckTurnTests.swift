import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeRaft
import Testing

/// A turn of the store loop that does not end for long, as one that waits for space on the disk.
@Suite(.timeLimit(.minutes(5))) struct StuckTurnTests {
    @Test func `what others ask meanwhile has a bound, reads beyond one are refused, and the node goes on after`()
        async throws
    {
        let cluster = try await ConsensusCluster(nodes: 3)
        let groups = ConsensusCluster.groups
        #expect(await cluster.write(1, to: groups[0]) != nil)
        let (node, other) = (cluster[1].consensus, NodeNumber(2))
        cluster.wire.stick(NodeNumber(1))
        defer { cluster.wire.release() }
        try #require(await cluster.eventually { cluster.wire.isStuck })
        let before = cluster.wire.answers(of: NodeNumber(1))
        let calls = 20_000
        for round in 0..<calls { node.receive(.ask(round: UInt64(round), groups), from: other) }

        let refused = await withTaskGroup(of: GrapeError?.self) { tasks in
            for _ in 0..<calls {
                tasks.addTask {
                    do throws(GrapeError) {
                        try await node.barrier(groups, deadline: .now + .seconds(200))
                        return nil
                    } catch {
                        return error
                    }
                }
            }
            // While the turn is stuck none can succeed, so who comes back first was refused.
            let first = await tasks.next() ?? nil
            #expect(first?.code == .overloaded)
            cluster.wire.release()
            return await tasks.reduce(into: [first]) { $0.append($1) }.compactMap { $0 }
        }
        #expect(refused.count < calls * 3 / 4 && refused.allSatisfy { $0.code == .overloaded })
        #expect(await cluster.eventually { cluster.wire.answers(of: NodeNumber(1)) > before })
        #expect(cluster.wire.answers(of: NodeNumber(1)) - before < calls / 2)
        #expect(await cluster.write(2, to: groups[0]) != nil)
        try await node.barrier(groups, deadline: .now + .seconds(60))
        try await cluster.stopAll()
    }
}
