import GrapeCluster
import GrapeEngine
import GrapeModel
import Synchronization
import Testing

@Suite struct WritePaceTests {
    private static let large = 1 << 20
    private let pace = WritePace(limit: 100)

    /// -> whether the write came in within a moment.
    private func isAdmitted(_ waiting: Int, bytes: Int, _ pace: WritePace? = nil) async -> Bool {
        do throws(GrapeError) {
            try await (pace ?? self.pace).admit(bytes: bytes, deadline: .now + .milliseconds(30)) { waiting }
            return true
        } catch {
            #expect(error.code == .overloaded && error.retryAfterSeconds != nil)
            return false
        }
    }

    @Test(arguments: [(0, true, true), (50, true, true), (99, true, true), (100, false, true), (150, false, false)])
    func `Bulk loads wait at the limit, single writes half beyond it`(waiting: Int, large: Bool, small: Bool) async {
        #expect(await isAdmitted(waiting, bytes: Self.large) == large)
        #expect(await isAdmitted(waiting, bytes: 100) == small)
        #expect(await isAdmitted(waiting, bytes: Self.large, WritePace(limit: 0)), "no limit")
    }

    @Test func `A write that waits goes on when the index has caught up`() async throws {
        let waiting = Atomic<Int>(1_000)
        try await pace.admit(bytes: Self.large, deadline: .now + .seconds(60)) {
            waiting.subtract(100, ordering: .relaxed).newValue
        }
        #expect(waiting.load(ordering: .relaxed) < 100)
    }

    /// What was let in is not seen as waiting yet: without a pause between them all would come in.
    @Test func `Between half the limit and the limit bulk loads come one after another`() async throws {
        let pace = pace
        let began = ContinuousClock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<10 {
                group.addTask { try await pace.admit(bytes: Self.large, deadline: .now + .seconds(60)) { 60 } }
            }
            try await group.waitForAll()
        }
        #expect(ContinuousClock.now - began >= .milliseconds(45))
    }

    @Test func `The worst of the best majority counts`() {
        func most(_ known: [Int], replicas: Int, own: Int) -> Int {
            let cluster = ClusterState(node: NodeNumber(1), shardCount: 1)
            cluster.update { $0.backlogs[ShardID(0)] = .init(known: known, replicas: replicas) }
            return cluster.backlog(of: [ShardID(0)], own: own)
        }
        #expect(most([], replicas: 1, own: 7) == 7)
        #expect(most([9, 1], replicas: 3, own: 5) == 5)
        #expect(most([9, 8], replicas: 3, own: 5) == 8, "the leader alone is no majority")
        #expect(most([1, 2], replicas: 3, own: 50) == 2, "a slow leader slows nobody")
        #expect(most([9], replicas: 3, own: 5) == 9, "one is down: both others are needed")
        #expect(most([], replicas: 3, own: 5) == 5, "nobody was heard of yet")
    }
}
