import Dispatch
import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage
import Synchronization

/// What the store loop asks for.
extension Consensus: StoreLoopEnvironment {
    package func write(_ batch: borrowing WriteBatch) throws(StorageError) {
        do {
            try database.write(batch)
        } catch {
            guard error.isWriteStop else { throw error }
            // The reserve may have been given up for it meanwhile; else the next tick tries again.
            guard database.checkSpace() != .full else { throw error }
            try database.write(batch)
        }
    }

    package func requestSync(_ request: SyncRequest) {
        let ticket = request.ticket
        syncs.request(request) { [weak self] result in
            switch result {
            case .success(let took):
                self?.published.withLock { $0.fsync.add(took) }
                self?.postAndTurn { $0.synced(through: ticket) }
            case .failure(let error): self?.fail(GrapeError(error))
            }
        }
    }

    package func send(_ messages: [GroupMessage], to node: NodeNumber) { sender.send(messages, to: node) }

    package func send(_ exchange: ReadExchange, to node: NodeNumber) { sender.send(exchange, to: node) }

    package func sendSnapshot(_ message: GroupMessage) { snapshots.withLock { $0 }?.sendSnapshot(message) }

    func applyThread(of group: LogGroup) -> ApplyThread { applies[engine.lane(of: group)] }

    package func apply(_ work: ApplyWork) {
        applyThread(of: work.group).add(work) { [weak self] result in
            switch result {
            case .success(let done): self?.finish(done)
            case .failure(let error): self?.fail(error)
            }
        }
    }

    /// Whoever waits for it is answered at once; a turn comes only where the core has more to do now.
    private func finish(_ done: [ApplyDone]) {
        _ = look { [weak self] loop in
            for work in done {
                switch work {
                case .applied(let group, let replica, let entries, let outcomes):
                    loop.applied(group, replica: replica, entries, outcomes)
                case .installed(let group, let replica): loop.installed(group, replica: replica)
                }
            }
            if loop.wantsTurn { _ = self?.post { _ in } }
        }
    }

    package func answer(_ token: Token, _ result: ProposalResult) { calls.answer(token, result) }

    package func mayBeginReads(waiting: Int) -> Bool {
        switch crowd.decide(waiting: waiting) {
        case .begin: return true
        case .hold(let until):
            turns.asyncAfter(deadline: until) { [weak self] in
                self?.crowd.timerEnded()
                _ = self?.look { _ in }
            }
        case .stillHeld: break
        }
        return false
    }

    package func readable(_ token: Token) { calls.readable(token) }

    package func unreadable(_ token: Token) { calls.refuse(token) }

    package func stopped(_ group: LogGroup, _ reason: String) {
        logger.critical(
            "a replica stopped: it has seen that its group's state can't be right",
            metadata: ["group": "\(group.number)", "reason": "\(reason)"])
        engine.noteFault(group, reason)
    }
}
