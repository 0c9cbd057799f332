import GrapeCluster
import GrapeModel
import GrapeTestKit
import Synchronization

/// Carries requests between services in this process, and loses, doubles and delays them as its seed says.
final class FaultyLink: Sendable {
    /// Out of a hundred.
    struct Faults: Sendable {
        var lostRequests = 0
        var lostAnswers = 0
        var doubled = 0
        /// Come once more, behind later ones.
        var late = 0
    }

    fileprivate struct State {
        var nodes: [NodeNumber: SnapshotService] = [:]
        var random: Xoshiro256
        var faults = Faults()
        var isCut = false
        var delayed: [(body: [UInt8], from: NodeNumber, to: NodeNumber)] = []
        var carried: [[UInt8]] = []
        var underWay = 0
        var mostUnderWay = 0
    }

    struct End: PeerRequests {
        let link: FaultyLink
        let node: NodeNumber

        func request(
            _ body: [UInt8], to node: NodeNumber, lane: PeerLane, deadline: ContinuousClock.Instant,
            unless isOver: @escaping @Sendable () -> Bool
        ) async throws(PeerFailure) -> [UInt8] {
            try await link.carry(body, from: self.node, to: node)
        }
    }

    private let state: Mutex<State>
    /// Called with each request's number before it is carried.
    private let hook = Mutex<(@Sendable (Int) async -> Void)?>(nil)

    init(seed: UInt64) { state = Mutex(State(random: Xoshiro256(seed: seed))) }

    func from(_ node: NodeNumber) -> End { End(link: self, node: node) }
    func join(_ node: NodeNumber, _ service: SnapshotService?) { state.withLock { $0.nodes[node] = service } }
    func set(_ faults: Faults) { state.withLock { $0.faults = faults } }
    func cut(_ isCut: Bool) { state.withLock { $0.isCut = isCut } }
    func before(_ body: (@Sendable (Int) async -> Void)?) { hook.withLock { $0 = body } }

    /// Requests since the last call, as far as they got through.
    func takeCarried() -> [[UInt8]] {
        state.withLock { state in
            defer { state.carried = [] }
            return state.carried
        }
    }

    var mostUnderWay: Int { state.withLock { $0.mostUnderWay } }

    private func carry(_ body: [UInt8], from: NodeNumber, to: NodeNumber) async throws(PeerFailure) -> [UInt8] {
        let number = state.withLock { state in
            state.underWay += 1
            state.mostUnderWay = max(state.mostUnderWay, state.underWay)
            return state.carried.count
        }
        defer { state.withLock { $0.underWay -= 1 } }
        if let hook = hook.withLock({ $0 }) { await hook(number) }
        let (service, times, isAnswered, late) = state.withLock { $0.fate(body, from, to) }
        for old in late { _ = await old.0?.answer(old.body, from: old.from) }
        guard let service else { throw PeerFailure(mayHaveArrived: false, message: "cut") }
        var answer: [UInt8]?
        for _ in 0..<times { answer = await service.answer(body, from: from) }
        guard let answer, isAnswered else { throw PeerFailure(mayHaveArrived: true, message: "lost") }
        return answer
    }
}

extension FaultyLink.State {
    fileprivate mutating func fate(
        _ body: [UInt8], _ from: NodeNumber, _ to: NodeNumber
    ) -> (SnapshotService?, Int, Bool, [(SnapshotService?, body: [UInt8], from: NodeNumber)]) {
        guard !isCut, let service = nodes[to] else { return (nil, 0, false, []) }
        carried.append(body)
        var late: [(SnapshotService?, body: [UInt8], from: NodeNumber)] = []
        while !delayed.isEmpty, random.below(3) == 0 {
            let old = delayed.remove(at: random.below(delayed.count))
            late.append((nodes[old.to], old.body, old.from))
        }
        if random.below(100) < faults.late { delayed.append((body, from, to)) }
        if random.below(100) < faults.lostRequests { return (service, 0, false, late) }
        return (service, random.below(100) < faults.doubled ? 2 : 1, random.below(100) >= faults.lostAnswers, late)
    }
}
