import GrapeClient
import GrapeModel
import Testing

@Suite struct RetryPlanTests {
    private func answer(_ status: Int, retryAfter: Int? = nil) -> AttemptOutcome {
        .answered(Answer(status: status, retryAfterSeconds: retryAfter, body: []))
    }

    private func describe(_ decision: RetryPlan.Decision) -> String {
        switch decision {
        case .answer: "answer"
        case .fail(let error): "fail \(error.code.rawValue)"
        case .again(let wait): "again \(wait / .milliseconds(1))"
        }
    }

    @Test func waitsGrowFromRoundToRound() {
        var plan = RetryPlan(.keyedWrite, endpoints: 2)
        let decisions = (0..<8).map { _ in describe(plan.next(after: answer(503))) }
        #expect(
            decisions == [
                "again 0.0", "again 50.0", "again 0.0", "again 100.0", "again 0.0", "again 200.0", "again 0.0",
                "again 400.0",
            ])
        #expect(plan.timedOut.code == .unavailable)
    }

    @Test func aNodesOwnWordOnWhenToComeAgainCounts() {
        var plan = RetryPlan(.read, endpoints: 1)
        #expect(describe(plan.next(after: answer(429, retryAfter: 3))) == "again 3000.0")
        #expect(describe(plan.next(after: answer(200))) == "answer")
    }

    @Test func whatMayHaveBeenAppliedStaysUnknownWhateverComesAfter() {
        var plan = RetryPlan(.keyedWrite, endpoints: 2)
        #expect(describe(plan.next(after: .lost("gone"))) == "again 0.0")
        #expect(describe(plan.next(after: .notSent("refused"))) == "again 50.0")
        #expect(describe(plan.next(after: answer(503))) == "again 0.0")
        #expect(plan.timedOut.code == .outcomeUnknown)
    }

    @Test func howFarANodeCameIsToldWhenTimeIsUp() {
        var plan = RetryPlan(.keyedWrite, endpoints: 2)
        let told = #"{"error":{"code":"outcome_unknown","message":"m","written":3,"not_written":1,"unknown":2}}"#
        let answer = Answer(status: 504, retryAfterSeconds: nil, body: Array(told.utf8))
        #expect(describe(plan.next(after: .answered(answer))) == "again 0.0")
        #expect(plan.timedOut.code == .outcomeUnknown)
        #expect(plan.timedOut.writeOutcome == WriteOutcome(written: 3, notWritten: 1, unknown: 2))
    }

    @Test func aWriteWithoutAKeyEndsWhereItIsUnknownOnly() {
        for (outcome, expected) in [
            (AttemptOutcome.notSent("x"), "again 0.0"), (answer(503), "again 0.0"), (answer(429), "again 0.0"),
            (.lost("x"), "fail outcome_unknown"), (answer(504), "fail outcome_unknown"),
            (answer(502), "fail outcome_unknown"), (answer(500), "fail internal_error"),
        ] {
            var plan = RetryPlan(.write, endpoints: 3)
            #expect(describe(plan.next(after: outcome)) == expected, "\(outcome)")
        }
    }

    @Test func readsAskEachNodeOnceWhereOneFails() {
        var plan = RetryPlan(.read, endpoints: 3)
        let decisions = (0..<3).map { _ in describe(plan.next(after: answer(500))) }
        #expect(decisions == ["again 0.0", "again 0.0", "fail internal_error"])
    }
}
