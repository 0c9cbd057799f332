import GrapeRaft

/// The command that makes replicas, all alike.
extension InteractionEnvironment {
    mutating func addNodes(_ step: Step) throws(Failure) {
        let index = UInt64(step.values("index").first ?? "") ?? 0
        let confState = ConfState(voters: ids(step.values("voters")), learners: ids(step.values("learners")))
        let isBootstrap = index > 0 || confState != ConfState()
        if isBootstrap && index <= 1 { throw Failure(text: "index must be specified as > 1 due to bootstrap") }
        let snapshot = Snapshot(term: isBootstrap ? Term(1) : .zero, index: LogIndex(index), confState: confState)
        for _ in 0..<(Int(step.arguments.first?.key ?? "") ?? 0) {
            let storage = TranscriptStorage(snapshot)
            if isBootstrap { try storage.persist(nil, [], snapshot) }
            do {
                let id = ReplicaID(UInt64(nodes.count) + 1)
                nodes.append(try Node(configuration(step, id, applied: snapshot.index), storage: storage))
            } catch {
                throw Failure(text: "\(error)")
            }
        }
    }

    private func configuration(_ step: Step, _ id: ReplicaID, applied: LogIndex) -> RaftConfiguration {
        func isOn(_ key: String) -> Bool { step.values(key).first == "true" }
        var configuration = RaftConfiguration(id: id, electionTicks: 3, heartbeatTicks: 1)
        configuration.applied = applied
        configuration.inflightMessagesMax = Int(step.values("inflight").first ?? "") ?? Int(Int32.max)
        configuration.asyncStorageWrites = isOn("async-storage-writes")
        configuration.preVote = isOn("prevote")
        configuration.checkQuorum = isOn("checkquorum")
        configuration.applyingBytesMax = step.values("max-committed-size-per-ready").first.flatMap { UInt64($0) }
        configuration.disableConfChangeValidation = isOn("disable-conf-change-validation")
        configuration.stepDownOnRemoval = isOn("step-down-on-removal")
        // Snapshots sent by hand carry the sender's term, which may still be zero.
        configuration.trustsMessages = true
        configuration.readMode = step.values("read-only").first == "lease-based" ? .leaseBased : .safe
        return configuration
    }

    func ids(_ values: [String]) -> [ReplicaID] { values.compactMap { UInt64($0).map { ReplicaID($0) } } }
}
