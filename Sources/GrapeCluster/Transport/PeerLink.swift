import GrapeModel
import Logging
import NIOCore
import Synchronization

/// An outgoing connection to one address, kept up: dialled when something is to be sent, dialled again with growing
/// pauses when it breaks.
///
/// Thread safety: `state` is guarded by its mutex; frames go to the channel from any thread.
final class PeerLink: Sendable {
    private enum Phase {
        case idle
        case dialling
        case open(any Channel)
        case closed
    }

    private struct Waiting {
        let answer: CheckedContinuation<Result<[UInt8], PeerFailure>, Never>
        let deadline: ContinuousClock.Instant
        /// Whether the caller has no more use for an answer.
        let isOver: @Sendable () -> Bool
    }

    private struct State {
        var phase = Phase.idle
        var failures = 0
        var retryAt: ContinuousClock.Instant?
        var waitingBytes = 0
        var nextRequest: UInt64 = 1
        var requests: [UInt64: Waiting] = [:]
        var isSweeping = false
    }

    let address: HostPort
    /// nil while the node is known by its address only.
    let number: NodeNumber?
    let isBulk: Bool
    private let transport: Transport
    private let state = Mutex(State())

    private static let pauseMilliseconds = 50...2_000
    /// How often it is looked at who waits too long: one timer a connection costs less than one a request.
    private static let sweepInterval = TimeAmount.milliseconds(50)

    init(_ address: HostPort, number: NodeNumber?, isBulk: Bool, transport: Transport) {
        self.address = address
        self.number = number
        self.isBulk = isBulk
        self.transport = transport
    }

    var isOpen: Bool {
        state.withLock { if case .open = $0.phase { true } else { false } }
    }

    // MARK: Sending

    /// Sends a frame that may get lost. -> whether it was handed over.
    @discardableResult
    func send(_ kind: Frame.Kind, _ body: [UInt8]) -> Bool {
        guard let channel = openChannel(body.count) else { return false }
        write(Frame(kind: kind, body: body), to: channel)
        return true
    }

    /// Waits for the answer, or for the connection's end, the deadline, or the caller, who cancels or is over with it.
    func request(
        _ body: [UInt8], deadline: ContinuousClock.Instant, unless isOver: @escaping @Sendable () -> Bool = { false }
    ) async -> Result<[UInt8], PeerFailure> {
        guard await waitUntilOpen(deadline) else {
            return .failure(PeerFailure(mayHaveArrived: false, message: "\(address) can't be reached"))
        }
        let number = state.withLock { state in
            defer { state.nextRequest += 1 }
            return state.nextRequest
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { answer in
                begin(number, body, Waiting(answer: answer, deadline: deadline, isOver: isOver))
                // The deadline or the cancellation may have come before.
                if Task.isCancelled || ContinuousClock.now >= deadline { end(number, "no time was left for an answer") }
            }
        } onCancel: {
            end(number, "the request to \(address) was given up")
        }
    }

    private func begin(_ number: UInt64, _ body: [UInt8], _ waiting: Waiting) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(body.count + 8)
        bytes.appendLittleEndian(number)
        bytes += body
        guard let channel = openChannel(bytes.count, request: (number, waiting)) else {
            let failure = PeerFailure(
                mayHaveArrived: false, message: "the connection to \(address) is gone, or too much waits for it")
            return waiting.answer.resume(returning: .failure(failure))
        }
        write(Frame(kind: .request, body: bytes), to: channel)
        let begins = state.withLock { state in
            defer { state.isSweeping = true }
            return !state.isSweeping
        }
        if begins { channel.eventLoop.scheduleTask(in: Self.sweepInterval) { [weak self] in self?.sweep(channel) } }
    }

    /// Ends what waits too long; comes again while anything waits.
    private func sweep(_ channel: any Channel) {
        let waiting = state.withLock { state in
            state.isSweeping = !state.requests.isEmpty
            return state.requests
        }
        let now = ContinuousClock.now
        for (number, request) in waiting {
            if request.deadline <= now {
                end(number, "\(address) did not answer in time")
            } else if request.isOver() {
                end(number, "\(address) was not waited for any longer")
            }
        }
        guard !waiting.isEmpty else { return }
        channel.eventLoop.scheduleTask(in: Self.sweepInterval) { [weak self] in self?.sweep(channel) }
    }

    /// No answer will come, or nobody waits for it any more.
    private func end(_ number: UInt64, _ reason: String, mayHaveArrived: Bool = true) {
        let waiting = state.withLock { $0.requests.removeValue(forKey: number) }
        waiting?.answer.resume(returning: .failure(PeerFailure(mayHaveArrived: mayHaveArrived, message: reason)))
    }

    /// The channel, with the bytes counted as waiting and the request's answer expected; nil where there is none or too
    /// much waits.
    private func openChannel(_ bytes: Int, request: (number: UInt64, Waiting)? = nil) -> (any Channel)? {
        let (channel, dials): ((any Channel)?, Bool) = state.withLock { state in
            switch state.phase {
            case .open(let channel):
                guard state.waitingBytes + bytes <= transport.options.waitingBytesMax else { return (nil, false) }
                if let (number, waiting) = request {
                    guard state.requests.count < transport.options.requestsMax else { return (nil, false) }
                    state.requests[number] = waiting
                }
                state.waitingBytes += bytes
                return (channel, false)
            case .idle where state.retryAt.map({ $0 <= .now }) ?? true:
                state.phase = .dialling
                return (nil, true)
            case .idle, .dialling, .closed: return (nil, false)
            }
        }
        if dials { transport.dial(self) }
        return channel
    }

    private func write(_ frame: Frame, to channel: any Channel) {
        let count = frame.body.count
        let isLocal = frame.kind == .messages && count < 4_096
        let buffer = channel.allocator.buffer(bytes: frame.encoded(compresses: !isLocal))
        channel.writeAndFlush(buffer).whenComplete { [weak self] _ in
            self?.state.withLock { $0.waitingBytes = max(0, $0.waitingBytes - count) }
        }
    }

    /// Dials if need be. -> whether there is a connection.
    func waitUntilOpen(_ deadline: ContinuousClock.Instant) async -> Bool {
        while true {
            if isOpen { return true }
            dialIfIdle()
            let isOver = state.withLock { if case .closed = $0.phase { true } else { false } }
            guard !isOver, ContinuousClock.now < deadline, !hasJustFailed, !Task.isCancelled else { return isOpen }
            try? await Task.sleep(for: .milliseconds(5))
        }
    }

    private var hasJustFailed: Bool {
        state.withLock { state in
            if case .idle = state.phase { state.retryAt.map { $0 > .now } ?? false } else { false }
        }
    }

    func dialIfIdle() {
        let dials = state.withLock { state in
            guard case .idle = state.phase, state.retryAt.map({ $0 <= .now }) ?? true else { return false }
            state.phase = .dialling
            return true
        }
        if dials { transport.dial(self) }
    }

    func dialNow() {
        state.withLock { $0.retryAt = nil }
        dialIfIdle()
    }

    // MARK: What the connection tells

    func opened(_ channel: any Channel) {
        let isWanted = state.withLock { state in
            guard case .dialling = state.phase else { return false }
            state.phase = .open(channel)
            state.failures = 0
            return true
        }
        if !isWanted { channel.close(promise: nil) }
    }

    func answered(_ body: [UInt8]) {
        var reader = ByteReader(body)
        guard let number = reader.integer(UInt64.self), let rest = reader.bytes(reader.count) else { return }
        let waiting = state.withLock { $0.requests.removeValue(forKey: number) }
        waiting?.answer.resume(returning: .success(Array(rest)))
    }

    /// The other side has too many requests to answer.
    func notTaken(_ body: [UInt8]) {
        var reader = ByteReader(body)
        guard let number = reader.integer(UInt64.self) else { return }
        end(number, "\(address) has too many requests to answer", mayHaveArrived: false)
    }

    /// The connection broke, or was not made. What waited for answers can't tell any more.
    func broke() {
        let (waiting, wasOpen) = state.withLock { state in
            let wasOpen = if case .open = state.phase { true } else { false }
            if case .closed = state.phase {} else { state.phase = .idle }
            state.failures = min(state.failures + 1, 16)
            let pause = min(
                Self.pauseMilliseconds.lowerBound << min(state.failures, 6), Self.pauseMilliseconds.upperBound)
            state.retryAt = .now + .milliseconds(Int.random(in: (pause / 2)...pause))
            defer { state.requests = [:] }
            return (Array(state.requests.values), wasOpen)
        }
        for request in waiting {
            request.answer.resume(
                returning: .failure(
                    PeerFailure(mayHaveArrived: true, message: "the connection to \(address) broke")))
        }
        if wasOpen, let number { transport.lost(number) }
    }

    func close() {
        let channel: (any Channel)? = state.withLock { state in
            defer { state.phase = .closed }
            if case .open(let channel) = state.phase { return channel }
            return nil
        }
        channel?.close(promise: nil)
        broke()
    }
}
