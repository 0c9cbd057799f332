/// Configuration changes, as in section 4 of the Raft thesis. Each returns a new table or says why there is none; the
/// table in force is never half changed.
extension ReplicaTable {
    /// Carries out a committed change.
    package func applying(_ change: ConfChange, lastIndex: LogIndex) throws(ConfChangeError) -> ReplicaTable {
        if change.leavesJoint { return try leavingJoint() }
        if let autoLeave = change.jointAutoLeave {
            return try enteringJoint(change.steps, autoLeave: autoLeave, lastIndex: lastIndex)
        }
        return try changingOne(change.steps, lastIndex: lastIndex)
    }

    /// Changes at most one voter, without a joint configuration in between.
    package func changingOne(
        _ steps: [ConfChange.Step], lastIndex: LogIndex
    ) throws(ConfChangeError) -> ReplicaTable {
        if isJoint { throw .simpleWhileJoint }
        var table = self
        try table.apply(steps, lastIndex: lastIndex)
        let before = confState.voters
        let after = table.confState.voters
        let changed = before.count { !after.contains($0) } + after.count { !before.contains($0) }
        if changed > 1 { throw .moreThanOneVoterChanged }
        return try table.checked()
    }

    /// Makes the voters the outgoing majority and applies the steps to the incoming one.
    package func enteringJoint(
        _ steps: [ConfChange.Step], autoLeave: Bool, lastIndex: LogIndex
    ) throws(ConfChangeError) -> ReplicaTable {
        if isJoint { throw .alreadyJoint }
        if confState.voters.isEmpty { throw .jointFromZeroVoters }
        var table = self
        table.confState.votersOutgoing = confState.voters
        try table.apply(steps, lastIndex: lastIndex)
        table.confState.autoLeave = autoLeave
        return try table.checked()
    }

    /// Drops the outgoing majority; voters held back become learners now.
    package func leavingJoint() throws(ConfChangeError) -> ReplicaTable {
        if !isJoint { throw .notJoint }
        var table = self
        for id in confState.learnersNext {
            table.confState.learners.insertSorted(id)
            if let slot = table.slot(of: id) { table.peers[slot].progress.isLearner = true }
        }
        table.confState.learnersNext = []
        table.confState.votersOutgoing = []
        table.confState.autoLeave = false
        for id in confState.votersOutgoing { table.dropIfNoMember(id) }
        return try table.checked()
    }

    /// Builds the table that `confState` describes, by the changes that could have led there.
    package func restoring(_ confState: ConfState, lastIndex: LogIndex) throws(ConfChangeError) -> ReplicaTable {
        var table = ReplicaTable(inflightMessagesMax: inflightMessagesMax, inflightBytesMax: inflightBytesMax)
        var incoming = confState.votersOutgoing.map { ConfChange.Step(.remove, $0) }
        incoming += confState.voters.map { ConfChange.Step(.addVoter, $0) }
        incoming += confState.learners.map { ConfChange.Step(.addLearner, $0) }
        incoming += confState.learnersNext.map { ConfChange.Step(.addLearner, $0) }
        if incoming.count > 4 * Limits.replicasMax { throw .tooManyReplicas }
        if confState.votersOutgoing.isEmpty {
            for step in incoming { table = try table.changingOne([step], lastIndex: lastIndex) }
        } else {
            for id in confState.votersOutgoing {
                table = try table.changingOne([ConfChange.Step(.addVoter, id)], lastIndex: lastIndex)
            }
            table = try table.enteringJoint(incoming, autoLeave: confState.autoLeave, lastIndex: lastIndex)
        }
        if table.confState != confState.sorted { throw .inconsistent("not the result of any change") }
        return table
    }

    // MARK: Steps

    private mutating func apply(_ steps: [ConfChange.Step], lastIndex: LogIndex) throws(ConfChangeError) {
        for step in steps where step.replica != .none {
            if step.replica.isLocalThread { throw .inconsistent("replica id \(step.replica.rawValue) is reserved") }
            switch step.action {
            case .addVoter: addVoter(step.replica, lastIndex: lastIndex)
            case .addLearner: addLearner(step.replica, lastIndex: lastIndex)
            case .remove: remove(step.replica)
            case .update: break
            }
        }
        if confState.voters.isEmpty { throw .removedAllVoters }
        if peers.count > Limits.replicasMax { throw .tooManyReplicas }
    }

    private mutating func addVoter(_ id: ReplicaID, lastIndex: LogIndex) {
        if let slot = slot(of: id) {
            peers[slot].progress.isLearner = false
            confState.learners.removeSorted(id)
            confState.learnersNext.removeSorted(id)
        } else {
            addPeer(id, isLearner: false, lastIndex: lastIndex)
        }
        confState.voters.insertSorted(id)
    }

    /// A voter of the outgoing majority cannot be a learner at the same time: it is kept for later.
    private mutating func addLearner(_ id: ReplicaID, lastIndex: LogIndex) {
        guard let slot = slot(of: id) else {
            addPeer(id, isLearner: true, lastIndex: lastIndex)
            confState.learners.insertSorted(id)
            return
        }
        if peers[slot].progress.isLearner { return }
        confState.voters.removeSorted(id)
        confState.learnersNext.removeSorted(id)
        if confState.votersOutgoing.contains(id) {
            confState.learnersNext.insertSorted(id)
        } else {
            peers[slot].progress.isLearner = true
            confState.learners.insertSorted(id)
        }
    }

    private mutating func remove(_ id: ReplicaID) {
        confState.voters.removeSorted(id)
        confState.learners.removeSorted(id)
        confState.learnersNext.removeSorted(id)
        dropIfNoMember(id)
    }

    private mutating func dropIfNoMember(_ id: ReplicaID) {
        if isVoter(id) || confState.learners.contains(id) { return }
        peers.removeAll { $0.id == id }
    }

    /// A new member counts as active, lest a quorum check runs before it could answer.
    private mutating func addPeer(_ id: ReplicaID, isLearner: Bool, lastIndex: LogIndex) {
        let progress = Progress(
            match: .zero, next: max(lastIndex, LogIndex(1)), inflights: emptyInflights(), isLearner: isLearner,
            isRecentlyActive: true)
        let place = peers.firstIndex { $0.id > id } ?? peers.endIndex
        peers.insert(Peer(id: id, progress: progress), at: place)
    }

    // MARK: Invariants

    /// The table itself if configuration and peers agree with each other.
    private func checked() throws(ConfChangeError) -> ReplicaTable {
        let members = voters.inserting(confState.learners)
        if members != peers.map(\.id) { throw .inconsistent("members and peers differ") }
        for id in confState.learnersNext where !confState.votersOutgoing.contains(id) {
            throw .inconsistent("\(id.rawValue) is to become a learner but is no outgoing voter")
        }
        for peer in peers {
            let isLearner = confState.learners.contains(peer.id)
            if isLearner && isVoter(peer.id) { throw .inconsistent("\(peer.id.rawValue) is voter and learner") }
            if isLearner != peer.progress.isLearner { throw .inconsistent("\(peer.id.rawValue) is marked wrongly") }
        }
        if !isJoint && (confState.autoLeave || !confState.learnersNext.isEmpty) {
            throw .inconsistent("joint state outside a joint configuration")
        }
        return self
    }
}

extension ConfState {
    /// The same members in order.
    var sorted: ConfState {
        ConfState(
            voters: voters.sorted(), votersOutgoing: votersOutgoing.sorted(), learners: learners.sorted(),
            learnersNext: learnersNext.sorted(), autoLeave: autoLeave)
    }

    func contains(_ id: ReplicaID) -> Bool {
        voters.contains(id) || learners.contains(id) || votersOutgoing.contains(id)
    }
}
