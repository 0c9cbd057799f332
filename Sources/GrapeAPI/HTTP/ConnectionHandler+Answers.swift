// HOT PATH
import GrapeModel
import NIOCore
import NIOHTTP1

// How a connection answers, and what it does when time is up.

extension ConnectionHandler {
    /// Answers what can't be a request, or not be read to its end; the connection ends.
    func refuse(_ failure: GrapeError) {
        guard state.phase != .lingering, state.phase != .closed else { return }
        answer(HTTPAnswer(failure), closes: true)
    }

    func answer(_ answer: HTTPAnswer, closes: Bool) {
        guard let context else { return }
        state.answer(closes: closes || answer.closes, now: .now())
        releaseBody()
        recorder.record(
            admission?.operation ?? .other, status: answer.status,
            nanoseconds: UInt64(max(0, (NIODeadline.now() - startedAt).nanoseconds)))
        admission = nil
        let count = answer.stream?.byteCount ?? UInt64(answer.body.count)
        var head = HTTPResponseHead(
            version: .http1_1, status: HTTPResponseStatus(statusCode: answer.status),
            headers: HTTPHeaders([("Content-Type", answer.contentType.rawValue), ("Content-Length", String(count))]))
        for (name, value) in answer.headers { head.headers.add(name: name, value: value) }
        if state.endsAfterAnswer {
            head.headers.add(name: "Connection", value: "close")
        } else if isHTTP10 {
            head.headers.add(name: "Connection", value: "keep-alive")
        }
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if let stream = answer.stream, !isHead {
            context.flush()
            send(stream, from: 0)
            return watchDeadline()
        }
        if !isHead, !answer.body.isEmpty {
            context.write(
                wrapOutboundOut(.body(.byteBuffer(context.channel.allocator.buffer(bytes: answer.body)))), promise: nil)
        }
        writeEnd(context)
        watchDeadline()
    }

    private func writeEnd(_ context: ChannelHandlerContext) {
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenComplete { [weak self] _ in self?.answerWritten() }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: written)
    }

    /// Asks for the piece at an offset, and for the next one when it has gone out.
    private func send(_ stream: HTTPStream, from offset: UInt64) {
        guard let context, state.phase == .writing else { return }
        guard offset < stream.byteCount else { return writeEnd(context) }
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        Task { [eventLoop = context.eventLoop] in
            let piece = try? await stream.piece(offset)
            eventLoop.execute { bound.value.write(piece ?? [], of: stream, at: offset) }
        }
    }

    private func write(_ piece: [UInt8], of stream: HTTPStream, at offset: UInt64) {
        guard let context, state.phase == .writing else { return }
        let next = offset + UInt64(piece.count)
        guard !piece.isEmpty, next <= stream.byteCount else { return context.close(promise: nil) }
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenComplete { [weak self] result in
            guard let self, case .success = result else { return }
            state.pieceWritten(now: .now())
            send(stream, from: next)
        }
        context.writeAndFlush(
            wrapOutboundOut(.body(.byteBuffer(context.channel.allocator.buffer(bytes: piece)))), promise: written)
    }

    private func answerWritten() {
        guard let context else { return }
        switch state.answerWritten(now: .now()) {
        case .nextRequest: nextRequest(context)
        case .linger:
            laterParts.removeAll()
            context.close(mode: .output, promise: nil)
            watchDeadline()
            resumeReading(context)
        case .close: context.close(promise: nil)
        }
    }

    /// Goes on with what came while the last request was answered.
    private func nextRequest(_ context: ChannelHandlerContext) {
        // An answer is often written before `take` returns, and comes here again: the loop outside goes on then.
        guard !isTakingLaterParts else { return }
        isTakingLaterParts = true
        while !state.holdsParts, let part = laterParts.popFirst() { take(part) }
        isTakingLaterParts = false
        guard !state.holdsParts else { return }
        if let failure = laterFailure {
            laterFailure = nil
            refuse(failure)
            return
        }
        watchDeadline()
        resumeReading(context)
    }

    private func resumeReading(_ context: ChannelHandlerContext) {
        guard isReadHeld else { return }
        isReadHeld = false
        context.read()
    }

    func releaseBody() {
        body = []
        load.releaseBody(heldCount)
        heldCount = 0
    }

    // MARK: Deadlines

    /// One timer a connection. It is set anew only where the deadline came nearer; where it went away the timer fires
    /// once for nothing.
    func watchDeadline() {
        guard let context else { return }
        if timer != nil, timerDeadline <= state.deadline { return }
        timer?.cancel()
        timerDeadline = state.deadline
        timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: state.deadline) { [weak self] in
            self?.deadlinePassed()
        }
    }

    private func deadlinePassed() {
        timer = nil
        guard let context else { return }
        switch state.deadlinePassed(now: .now()) {
        case .wait: break
        case .close:
            context.close(promise: nil)
            return
        case .refuseSlowRequest:
            let seconds = limits.requestTimeout.nanoseconds / 1_000_000_000
            refuse(GrapeError(.requestTimeout, "the request did not arrive within \(seconds) s"))
            return
        case .giveUpCall:
            if let admission, case .call(let call) = admission.decision {
                answer(service.timeoutAnswer(call, progress: progress), closes: true)
            }
            return
        }
        if state.phase != .closed { watchDeadline() }
    }
}
