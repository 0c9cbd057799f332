/// The work to carry out. See `Ready` for the order that makes it safe.
extension Raft {
    /// Whether `ready()` would bring anything.
    package var hasReady: Bool {
        if stopReason != nil { return false }
        if softState != lastSoftState || hardState != lastHardState { return true }
        if !messages.isEmpty || !messagesAfterAppend.isEmpty || !readStates.isEmpty { return true }
        return log.unstable.nextSnapshot != nil || log.unstable.hasNextEntries
            || log.hasNextCommitted(allowUnstable: appliesUnstable)
    }

    /// Takes the work that has come up since the last call.
    package mutating func ready() -> Ready {
        precondition(stepsOnAdvance.isEmpty, "advance() must follow each ready() when storage writes are synchronous")
        var ready = Ready(
            readStates: [], entries: [], committedEntries: [], messages: [], mustSync: false)
        if stopReason != nil { return ready }
        do {
            ready.committedEntries = try log.nextCommitted(allowUnstable: appliesUnstable)
        } catch {
            noteStop(error)
            return ready
        }
        ready.entries = log.nextUnstableEntries()
        ready.snapshot = log.unstable.nextSnapshot
        if softState != lastSoftState { ready.softState = softState }
        if hardState != lastHardState { ready.hardState = hardState }
        ready.mustSync =
            !ready.entries.isEmpty || term != lastHardState.term || vote != lastHardState.vote
        swap(&ready.readStates, &readStates)
        swap(&ready.messages, &messages)
        addStorageWork(to: &ready)
        lastSoftState = softState
        lastHardState = hardState
        log.acceptUnstable()
        log.acceptApplying(ready.committedEntries, allowUnstable: appliesUnstable)
        return ready
    }

    /// Everything in the last `Ready` is done. Only when storage writes are synchronous.
    package mutating func advance() {
        precondition(!configuration.asyncStorageWrites, "advance() with asynchronous storage writes")
        let steps = stepsOnAdvance
        stepsOnAdvance = []
        for message in steps where stopReason == nil {
            try? stepChecked(message)
        }
    }

    /// Entries may be applied before they are durable here only if one `Ready` covers both.
    private var appliesUnstable: Bool { !configuration.asyncStorageWrites }

    private mutating func addStorageWork(to ready: inout Ready) {
        var afterAppend: [Message] = []
        swap(&afterAppend, &messagesAfterAppend)
        let appendResponse = storageAppendResponse(for: ready)
        let applyResponse =
            ready.committedEntries.isEmpty
            ? nil
            : Message(.storageApplyResponse, from: .applyThread, to: id, entries: ready.committedEntries)
        guard configuration.asyncStorageWrites else {
            ready.messages += afterAppend.filter { $0.to != id }
            stepsOnAdvance = afterAppend.filter { $0.to == id }
            if let appendResponse { stepsOnAdvance.append(appendResponse) }
            if let applyResponse { stepsOnAdvance.append(applyResponse) }
            return
        }
        let hasStorageWork = !ready.entries.isEmpty || ready.hardState != nil || ready.snapshot != nil
        if hasStorageWork || !afterAppend.isEmpty {
            // After the acknowledgements to itself: they find the entries still here, without asking storage.
            if let appendResponse { afterAppend.append(appendResponse) }
            ready.messages.append(storageAppend(for: ready, responses: afterAppend))
        }
        if let applyResponse {
            ready.messages.append(
                Message(
                    .storageApply, from: id, to: .applyThread, entries: ready.committedEntries,
                    responses: [applyResponse]))
        }
    }

    private func storageAppend(for ready: Ready, responses: consuming [Message]) -> Message {
        let state = ready.hardState ?? HardState()
        return Message(
            .storageAppend, from: id, to: .appendThread, term: state.term, commit: state.commit, vote: state.vote,
            entries: ready.entries, snapshot: ready.snapshot, responses: responses)
    }

    /// The confirmation to come when this and all earlier writes are durable.
    ///
    /// It names the log's last entry and the current term. Entries written under an earlier term may since have been
    /// replaced, and replaced again by the same ones (an ABA), while a write between the two is still under way; such a
    /// confirmation is ignored. So that the entries are confirmed at all, every later write attests to them again.
    private func storageAppendResponse(for ready: Ready) -> Message? {
        let hasUnstable = !log.unstable.entries.isEmpty
        if !hasUnstable && ready.snapshot == nil { return nil }
        var response = Message(
            .storageAppendResponse, from: .appendThread, to: id, term: term, snapshot: ready.snapshot)
        if let last = log.unstable.entries.last {
            response.index = last.index
            response.logTerm = last.term
        }
        return response
    }
}
