/// Linearizable reads without log entries (thesis 6.4): the leader notes its commit index, confirms by a heartbeat
/// round that it still leads, and answers.
extension Raft {
    /// Asks for a read index. The answer comes in `Ready.readStates`; it may be lost with a message or a leader, so the
    /// reader asks again under a new context.
    package mutating func readIndex(_ context: ReadContext) throws(RaftError) {
        try stepChecked(Message(.readIndex, context: context.rawValue))
    }

    mutating func readAsLeader(_ message: Message) throws(RaftError) {
        // A leader knows what is committed only after an entry of its own term is (section 8).
        if try log.term(at: log.committed) != term {
            if earlyReads.count >= Limits.pendingReadsMax { throw .proposalDropped }
            earlyReads.append(message)
        } else {
            try startRead(message)
        }
    }

    private mutating func startRead(_ message: Message) throws(RaftError) {
        let read = ReadQueue.Read(
            requester: message.from, context: ReadContext(message.context), index: log.committed)
        if table.isSingleton || configuration.readMode == .leaseBased {
            answer(read)
            return
        }
        if reads.isFull { throw .proposalDropped }
        reads.add(read)
        reads.acknowledge(id, number: reads.newest)
        broadcastHeartbeat()
    }

    /// Called when the commit index has risen: as a leader commits by its own entries, the early reads may start.
    mutating func releaseEarlyReads() {
        if earlyReads.isEmpty { return }
        let waiting = earlyReads
        earlyReads = []
        for message in waiting { try? startRead(message) }
    }

    mutating func confirmReads(_ message: Message) {
        if configuration.readMode != .safe || message.context == 0 { return }
        reads.acknowledge(message.from, number: message.context)
        let number = Quorum.committedIndex(
            incoming: table.confState.voters, outgoing: table.confState.votersOutgoing
        ) { id in reads.acknowledgedNumber(of: id).map { LogIndex($0) } }
        guard let number else { return }
        for read in reads.confirm(through: number.rawValue) { answer(read) }
    }

    private mutating func answer(_ read: ReadQueue.Read) {
        if read.requester == .none || read.requester == id {
            readStates.append(ReadState(index: read.index, context: read.context))
        } else {
            send(
                Message(
                    .readIndexResponse, to: read.requester, index: read.index, context: read.context.rawValue))
        }
    }
}
