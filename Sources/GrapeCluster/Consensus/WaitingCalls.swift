import GrapeModel
import Synchronization

/// Callers that wait for proposals or reads: each is answered once, by what happened or by its deadline.
///
/// Thread safety: `state` is guarded by its mutex; callers are resumed outside it.
final class WaitingCalls: Sendable {
    private struct Proposals {
        var results: [ProposalResult?]
        var open: Int
        let bytes: Int
        let deadline: ContinuousClock.Instant
        let answer: CheckedContinuation<[ProposalResult], Never>
    }

    private struct Read {
        let deadline: ContinuousClock.Instant
        let answer: CheckedContinuation<Bool, Never>
    }

    private struct State {
        var nextToken: UInt64 = 1
        /// By its first token: a call has a token for each of its proposals, in a row.
        var proposals: [UInt64: Proposals] = [:]
        var firstToken: [UInt64: UInt64] = [:]
        var reads: [UInt64: Read] = [:]
        var bytes = 0
    }

    private let state = Mutex(State())

    /// Bytes of proposals that wait for their answers.
    var bytes: Int { state.withLock { $0.bytes } }

    /// Whether nobody waits.
    var isEmpty: Bool { state.withLock { $0.proposals.isEmpty && $0.reads.isEmpty } }

    /// -> the token of the first proposal; those of the others follow it. nil where too much waits already.
    func add(
        _ count: Int, bytes: Int, deadline: ContinuousClock.Instant,
        _ answer: CheckedContinuation<[ProposalResult], Never>
    ) -> UInt64? {
        state.withLock { state in
            guard state.bytes == 0 || state.bytes + bytes <= Limits.waitingWriteBytesMax else { return nil }
            let first = state.nextToken
            state.nextToken += UInt64(count)
            for token in first..<state.nextToken { state.firstToken[token] = first }
            state.proposals[first] = Proposals(
                results: [ProposalResult?](repeating: nil, count: count), open: count, bytes: bytes, deadline: deadline,
                answer: answer)
            state.bytes += bytes
            return first
        }
    }

    func add(_ answer: CheckedContinuation<Bool, Never>, deadline: ContinuousClock.Instant) -> Token {
        state.withLock { state in
            let token = state.nextToken
            state.nextToken += 1
            state.reads[token] = Read(deadline: deadline, answer: answer)
            return Token(token)
        }
    }

    func answer(_ token: Token, _ result: ProposalResult) {
        let done: Proposals? = state.withLock { state in
            guard let first = state.firstToken.removeValue(forKey: token.rawValue),
                var call = state.proposals[first]
            else { return nil }
            call.results[Int(token.rawValue - first)] = result
            call.open -= 1
            guard call.open == 0 else {
                state.proposals[first] = call
                return nil
            }
            state.proposals[first] = nil
            state.bytes -= call.bytes
            return call
        }
        if let done { done.answer.resume(returning: done.results.map { $0 ?? .unknown }) }
    }

    func readable(_ token: Token) {
        state.withLock { $0.reads.removeValue(forKey: token.rawValue) }?.answer.resume(returning: true)
    }

    /// The read will not be asked for.
    func refuse(_ token: Token) {
        state.withLock { $0.reads.removeValue(forKey: token.rawValue) }?.answer.resume(returning: false)
    }

    /// Ends the calls whose time is over; with no time given, all. -> reads that nobody waits for any more.
    func expire(at now: ContinuousClock.Instant?) -> [Token] {
        let (calls, reads): ([Proposals], [(UInt64, Read)]) = state.withLock { state in
            let calls = state.proposals.filter { now.map($0.value.deadline.isBefore) ?? true }
            for (first, call) in calls {
                state.proposals[first] = nil
                state.bytes -= call.bytes
                for token in first..<(first + UInt64(call.results.count)) { state.firstToken[token] = nil }
            }
            let reads = state.reads.filter { now.map($0.value.deadline.isBefore) ?? true }
            for token in reads.keys { state.reads[token] = nil }
            return (Array(calls.values), reads.map { ($0.key, $0.value) })
        }
        for call in calls { call.answer.resume(returning: call.results.map { $0 ?? .unknown }) }
        for (_, read) in reads { read.answer.resume(returning: false) }
        return reads.map { Token($0.0) }
    }
}

extension ContinuousClock.Instant {
    fileprivate func isBefore(_ other: Self) -> Bool { self < other }
}
