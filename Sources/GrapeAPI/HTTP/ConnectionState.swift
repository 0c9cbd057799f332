import NIOCore

/// Where one HTTP/1.1 connection stands: one request at a time, each phase with a deadline.
///
///     idle → readingHead → readingBody → answering → writing → idle
///                              └── (decided by its head) ──┘└→ lingering → closed
///
/// Invariants:
/// 1. A phase other than `closed` has a deadline, so no client holds a connection for ever.
/// 2. Between `end` and `written` no part of a later request is handed on; the handler keeps them and stops reading.
/// 3. After an answer that ends the connection nothing more is answered: what still comes is read and dropped, so that
///    the client gets to see the answer instead of a reset.
package struct ConnectionState {
    package enum Phase: Equatable {
        case idle, readingHead, readingBody, answering, writing, lingering, closed
    }

    package enum DeadlineAction: Equatable {
        case wait
        case close
        /// The request didn't come in time: 408, and the connection ends.
        case refuseSlowRequest
        /// The call took too long: its answer is given up.
        case giveUpCall
    }

    /// What a connection does that is to end.
    package enum EndAction: Equatable {
        case close
        /// A request is under way: its answer is the last.
        case answerFirst
    }

    package enum WrittenAction: Equatable {
        case nextRequest
        case linger
        case close
    }

    package private(set) var phase = Phase.idle
    package private(set) var deadline: NIODeadline
    /// Counts requests, so that an answer that comes late is known as such.
    package private(set) var request = 0
    package private(set) var isStopping = false
    /// The answer under way is the connection's last.
    package private(set) var endsAfterAnswer = false
    private var isInputClosed = false
    private let limits: ConnectionLimits

    package init(limits: ConnectionLimits, now: NIODeadline) {
        self.limits = limits
        deadline = now + limits.idleTimeout
    }

    /// No part of a later request may be handed on now.
    package var holdsParts: Bool { phase == .answering || phase == .writing }

    package mutating func bytesArrived(now: NIODeadline) {
        guard phase == .idle else { return }
        phase = .readingHead
        deadline = now + limits.requestTimeout
    }

    /// - Parameter keepAlive: whether the client wants to send more requests.
    package mutating func headArrived(keepAlive: Bool, now: NIODeadline) {
        precondition(phase == .idle || phase == .readingHead, "a request's head in phase \(phase)")
        if phase == .idle { deadline = now + limits.requestTimeout }
        phase = .readingBody
        request += 1
        endsAfterAnswer = !keepAlive || isStopping
    }

    /// - Parameter timeLimit: how long the call may take; nil: as long as any request.
    package mutating func endArrived(now: NIODeadline, timeLimit: TimeAmount? = nil) {
        precondition(phase == .readingBody, "a request's end in phase \(phase)")
        phase = .answering
        deadline = now + max(timeLimit ?? limits.requestTimeout, limits.requestTimeout)
    }

    /// The answer to the request, or to what can't be one, goes out now.
    package mutating func answer(closes: Bool, now: NIODeadline) {
        precondition(phase != .lingering && phase != .closed, "an answer in phase \(phase)")
        phase = .writing
        endsAfterAnswer = endsAfterAnswer || closes || isStopping
        deadline = now + limits.requestTimeout
    }

    /// A piece of a long answer has gone out: the next one gets its time.
    package mutating func pieceWritten(now: NIODeadline) {
        guard phase == .writing else { return }
        deadline = now + limits.requestTimeout
    }

    package mutating func answerWritten(now: NIODeadline) -> WrittenAction {
        guard phase == .writing else { return .close }
        if isInputClosed {
            phase = .closed
            return .close
        }
        if endsAfterAnswer || isStopping {
            phase = .lingering
            deadline = now + limits.lingerTimeout
            return .linger
        }
        phase = .idle
        deadline = now + limits.idleTimeout
        return .nextRequest
    }

    /// The client will send no more.
    package mutating func inputClosed() -> EndAction {
        isInputClosed = true
        if holdsParts { return .answerFirst }
        phase = .closed
        return .close
    }

    /// The server takes no more requests.
    package mutating func stop() -> EndAction {
        isStopping = true
        guard phase == .idle else { return .answerFirst }
        phase = .closed
        return .close
    }

    package mutating func closed() { phase = .closed }

    package mutating func deadlinePassed(now: NIODeadline) -> DeadlineAction {
        guard now >= deadline else { return .wait }
        switch phase {
        case .readingHead, .readingBody: return .refuseSlowRequest
        case .answering: return .giveUpCall
        case .idle, .writing, .lingering:
            phase = .closed
            return .close
        case .closed: return .wait
        }
    }
}
