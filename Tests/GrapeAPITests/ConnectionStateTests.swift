import GrapeAPI
import NIOCore
import Testing

/// A dialogue of what happens to a connection and what it does.
@Suite struct ConnectionStateTests {
    private let limits = ConnectionLimits()
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    @Test func requestsFollowOneAnother() {
        var state = ConnectionState(limits: limits, now: start)
        for request in 1...3 {
            state.bytesArrived(now: start)
            #expect(state.phase == .readingHead)
            state.headArrived(keepAlive: true, now: start)
            #expect(state.request == request)
            state.endArrived(now: start)
            #expect(state.holdsParts)
            state.answer(closes: false, now: start)
            #expect(state.answerWritten(now: start) == .nextRequest)
            #expect(state.phase == .idle)
        }
    }

    @Test func trickledBytesDoNotMoveTheDeadline() {
        var state = ConnectionState(limits: limits, now: start)
        state.bytesArrived(now: start)
        let deadline = state.deadline
        state.bytesArrived(now: start + .seconds(20))
        state.headArrived(keepAlive: true, now: start + .seconds(25))
        #expect(state.deadline == deadline)
        #expect(state.deadlinePassed(now: start + .seconds(29)) == .wait)
        #expect(state.deadlinePassed(now: start + .seconds(30)) == .refuseSlowRequest)
    }

    @Test func aCallThatIsGivenUpEndsTheConnection() {
        var state = ConnectionState(limits: limits, now: start)
        state.headArrived(keepAlive: true, now: start)
        state.endArrived(now: start)
        #expect(state.deadlinePassed(now: start + .seconds(30)) == .giveUpCall)
        state.answer(closes: true, now: start + .seconds(30))
        #expect(state.answerWritten(now: start + .seconds(30)) == .linger)
        #expect(state.deadlinePassed(now: start + .seconds(32)) == .close)
        #expect(state.phase == .closed)
    }

    @Test func aStopEndsIdleConnectionsAtOnceAndBusyOnesAfterTheirAnswer() {
        var idle = ConnectionState(limits: limits, now: start)
        #expect(idle.stop() == .close)
        var busy = ConnectionState(limits: limits, now: start)
        busy.headArrived(keepAlive: true, now: start)
        busy.endArrived(now: start)
        #expect(busy.stop() == .answerFirst)
        busy.answer(closes: false, now: start)
        #expect(busy.endsAfterAnswer)
        #expect(busy.answerWritten(now: start) == .linger)
    }

    @Test func aHalfClosedClientGetsItsAnswerFirst() {
        var state = ConnectionState(limits: limits, now: start)
        state.headArrived(keepAlive: true, now: start)
        state.endArrived(now: start)
        #expect(state.inputClosed() == .answerFirst)
        state.answer(closes: false, now: start)
        #expect(state.answerWritten(now: start) == .close)
        var idle = ConnectionState(limits: limits, now: start)
        #expect(idle.inputClosed() == .close)
    }
}
