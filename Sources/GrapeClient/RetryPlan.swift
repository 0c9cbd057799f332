import GrapeModel

/// How one attempt of a call ended.
package enum AttemptOutcome: Sendable {
    case answered(Answer)
    /// The node got nothing of it.
    case notSent(String)
    /// The node may have carried it out.
    case lost(String)

    /// Whether the node is there and can serve.
    var isReachable: Bool {
        if case .answered(let answer) = self { answer.status != 503 } else { false }
    }

    var isSuccess: Bool {
        if case .answered(let answer) = self { answer.isSuccess } else { false }
    }
}

/// What becomes of a call after an attempt. It knows no clock: the caller waits and watches the deadline.
///
/// 1. Success, and errors that another attempt would find again, are the answer.
/// 2. Refused for now (408, 429, 503), or never sent: again; nothing was applied.
/// 3. Lost on the way, by a proxy too (502), or 504: again for reads and for writes under a key, which are applied once. Other writes end here,
///    and nobody knows.
/// 4. A node that fails (500): reads ask each other node once.
///
/// After a round of all nodes it waits: as long as the node says, else longer from round to round.
package struct RetryPlan {
    package enum Safety: Sendable {
        case read
        /// A write under an idempotency key.
        case keyedWrite
        /// A write that may be made only once.
        case write
    }

    package enum Decision: Sendable {
        case answer(Answer)
        case fail(GrapeError)
        case again(after: Duration)
    }

    private static let firstWait = Duration.milliseconds(50)
    private static let longestWait = Duration.seconds(2)

    private let safety: Safety
    private let endpoints: Int
    private var attempts = 0
    private var wait = firstWait
    /// Some attempt may have been carried out.
    private var isUnknown = false
    private var lastError = GrapeError(.unavailable, "no node has answered")

    package init(_ safety: Safety, endpoints: Int) {
        self.safety = safety
        self.endpoints = endpoints
    }

    package mutating func next(after outcome: AttemptOutcome) -> Decision {
        attempts += 1
        switch outcome {
        case .answered(let answer) where answer.isSuccess: return .answer(answer)
        case .answered(let answer): return next(after: answer)
        case .notSent(let reason):
            lastError = GrapeError(.unavailable, reason)
            return again(after: nil)
        case .lost(let reason): return unknown(GrapeError(unknownCode, reason))
        }
    }

    /// What the caller hears when its deadline is over.
    package var timedOut: GrapeError {
        guard isUnknown else { return lastError }
        return GrapeError(unknownCode, lastError.message, writeOutcome: lastError.writeOutcome)
    }

    private var unknownCode: GrapeError.Code { safety == .read ? .requestTimeout : .outcomeUnknown }

    private mutating func next(after answer: Answer) -> Decision {
        let error = answer.error
        switch answer.status {
        case 408, 429, 503:
            lastError = error
            return again(after: error.retryAfterSeconds)
        case 502, 504: return unknown(error)
        case 500 where safety == .read && attempts < endpoints:
            lastError = error
            return .again(after: .zero)
        default: return .fail(error)
        }
    }

    private mutating func unknown(_ error: GrapeError) -> Decision {
        lastError = error
        isUnknown = safety != .read
        guard safety != .write else { return .fail(timedOut) }
        return again(after: nil)
    }

    private mutating func again(after seconds: Int?) -> Decision {
        // Another node may be better off; after all of them it takes time.
        guard attempts % endpoints == 0 else { return .again(after: .zero) }
        defer { wait = min(wait * 2, Self.longestWait) }
        return .again(after: max(wait, .seconds(seconds ?? 0)))
    }
}
