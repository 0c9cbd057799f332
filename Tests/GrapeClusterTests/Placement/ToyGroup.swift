import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeTestKit

/// A Raft group boiled down to what membership changes need: one log of configurations, how much of it each replica has,
/// who leads. Configurations change by the rules of `ReplicaTable`; elections need the majorities of the candidate's own
/// configuration, as it has applied it.
struct ToyGroup {
    let group: LogGroup
    /// The configuration in force once the entry of this index is applied. One leader's log; the others have a part of it.
    private(set) var log: [ConfState]
    private(set) var commit = 0
    private(set) var leader: ReplicaID?
    private(set) var term: UInt64 = 1
    /// The last entry that each replica has; -1: none. A replica without an entry here does not exist.
    private(set) var ends: [ReplicaID: Int]
    private(set) var applied: [ReplicaID: Int]
    private(set) var lost: Set<ReplicaID> = []
    private(set) var violations: [String] = []

    init(_ group: LogGroup, voters: [ReplicaID]) {
        self.group = group
        log = [ConfState(voters: voters.sorted())]
        ends = Dictionary(uniqueKeysWithValues: voters.map { ($0, 0) })
        applied = ends
    }

    /// The configuration that the group has decided on.
    var configuration: ConfState { log[commit] }

    // MARK: Replicas come and go

    mutating func make(_ replica: ReplicaID) {
        guard ends[replica] == nil else { return }
        ends[replica] = -1
        applied[replica] = -1
    }

    mutating func drop(_ replica: ReplicaID) {
        let was = hasMajority { ends[$0] != nil && !lost.contains($0) }
        ends[replica] = nil
        applied[replica] = nil
        if leader == replica { leader = nil }
        if was, !hasMajority({ ends[$0] != nil && !lost.contains($0) }) {
            violations.append(
                "\(group): dropping \(replica.node).\(replica.serial) took the majority of \(configuration)")
        }
    }

    mutating func lose(_ replica: ReplicaID) {
        guard ends[replica] != nil else { return }
        lost.insert(replica)
        if leader == replica { leader = nil }
    }

    /// Whether the replicas that fulfil this are majorities of every configuration that may be in force somewhere.
    func hasMajority(_ isThere: (ReplicaID) -> Bool) -> Bool {
        log[commit...].allSatisfy { Self.isMajority($0, isThere) }
    }

    /// Whether the replicas that fulfil this can elect one of theirs: the candidate may not have applied yet what the group
    /// has decided on, and then needs the majorities of an older configuration.
    func canElect(_ isThere: (ReplicaID) -> Bool) -> Bool { !candidates(isThere).isEmpty }

    private static func isMajority(_ conf: ConfState, _ isThere: (ReplicaID) -> Bool) -> Bool {
        [conf.voters, conf.votersOutgoing].allSatisfy { voters in
            voters.isEmpty || voters.count(where: isThere) > voters.count / 2
        }
    }

    // MARK: Time passes

    mutating func tick(isUp: (NodeNumber) -> Bool, _ random: inout Xoshiro256) {
        let able = Set(ends.keys.filter { isUp($0.node) && !lost.contains($0) })
        let canAct = { (replica: ReplicaID) in able.contains(replica) }
        if let leader, !canAct(leader) || !Self.isMajority(log[applied[leader] ?? 0], canAct) { self.leader = nil }
        guard let leader else {
            if random.below(3) == 0 { elect(canAct, &random) }
            return
        }
        let conf = log[applied[leader] ?? 0]
        // A leader that was removed goes on until it is replaced, but takes nothing new.
        if random.below(2) == 0, conf.voters.contains(leader) { log.append(log[log.count - 1]) }
        ends[leader] = log.count - 1
        let members = conf.voters + conf.votersOutgoing + conf.learners
        for member in Set(members).sorted() where member != leader && canAct(member) && random.below(4) > 0 {
            let end = ends[member] ?? -1
            ends[member] = min(log.count - 1, end + random.within(0...8))
            applied[member] = min(ends[member] ?? -1, commit)
        }
        advanceCommit(leader, conf)
    }

    private mutating func advanceCommit(_ leader: ReplicaID, _ conf: ConfState) {
        var index = log.count - 1
        while index > commit, !Self.isMajority(conf, { (ends[$0] ?? -1) >= index }) { index -= 1 }
        // One change at a time: what comes behind it is counted by its configuration.
        for next in commit..<max(commit, index) where log[next + 1] != log[next] {
            index = next + 1
            break
        }
        commit = max(commit, index)
        applied[leader] = commit
    }

    private mutating func elect(_ canAct: (ReplicaID) -> Bool, _ random: inout Xoshiro256) {
        let candidates = candidates(canAct)
        guard !candidates.isEmpty else { return }
        install(candidates[random.below(candidates.count)])
    }

    private func candidates(_ canAct: (ReplicaID) -> Bool) -> [ReplicaID] {
        ends.keys.sorted().filter { candidate in
            guard canAct(candidate), let own = applied[candidate], own >= 0 else { return false }
            return isElectable(candidate, log[own], canAct)
        }
    }

    private func isElectable(_ candidate: ReplicaID, _ conf: ConfState, _ canAct: (ReplicaID) -> Bool) -> Bool {
        guard conf.voters.contains(candidate) || conf.votersOutgoing.contains(candidate) else { return false }
        return Self.isMajority(conf) { canAct($0) && (ends[$0] ?? -1) <= (ends[candidate] ?? -1) }
    }

    private mutating func install(_ replica: ReplicaID) {
        guard let end = ends[replica] else { return }
        if end < commit { violations.append("\(group): a leader lacks what was committed") }
        log.removeSubrange((max(end, commit) + 1)...)
        for (other, otherEnd) in ends { ends[other] = min(otherEnd, log.count - 1) }
        leader = replica
        term += 1
    }

    // MARK: What drivers ask of it

    mutating func transfer(to heir: ReplicaID, _ isUp: (NodeNumber) -> Bool) {
        guard leader != nil, isUp(heir.node), !lost.contains(heir), let end = ends[heir], end == log.count - 1,
            configuration.voters.contains(heir)
        else { return }
        install(heir)
    }

    /// A change that may not follow the present configuration counts as an empty entry.
    mutating func change(_ change: ConfChange) {
        guard let leader, configuration.voters.contains(leader) || configuration.votersOutgoing.contains(leader),
            log[commit...].allSatisfy({ $0 == log[commit] })
        else { return }
        let table = ReplicaTable(inflightMessagesMax: 8, inflightBytesMax: 1 << 20)
        let last = LogIndexOfRaft(UInt64(log.count))
        guard let now = try? table.restoring(configuration, lastIndex: last),
            let next = try? now.applying(change, lastIndex: last).confState
        else { return }
        if !next.voters.contains(leader), next.votersOutgoing.isEmpty {
            violations.append("\(group): leader \(leader.node).\(leader.serial) proposed its own end")
        }
        log.append(next)
        ends[leader] = log.count - 1
    }

    /// The leader's view.
    func status(isUp: (NodeNumber) -> Bool) -> GroupStatus? {
        guard let leader, let own = applied[leader] else { return nil }
        let last = LogIndexOfRaft(UInt64(log.count))
        let empty = ReplicaTable(inflightMessagesMax: 8, inflightBytesMax: 1 << 20)
        guard let table = try? empty.restoring(log[own], lastIndex: last) else { return nil }
        var peers = table.peers
        for place in peers.indices {
            let id = peers[place].id
            let match = UInt64(max(0, (ends[id] ?? -1) + 1))
            peers[place].progress = Progress(
                match: LogIndexOfRaft(match), next: LogIndexOfRaft(match + 1),
                inflights: peers[place].progress.inflights,
                isLearner: peers[place].progress.isLearner,
                isRecentlyActive: isUp(id.node) && ends[id] != nil && !lost.contains(id))
        }
        return GroupStatus(
            group: group, replica: leader, role: .leader, isLearner: false, leader: leader, term: Term(term),
            commit: LogIndexOfRaft(UInt64(commit)), applied: LogIndexOfRaft(UInt64(own)), firstIndex: LogIndexOfRaft(0),
            lastIndex: last, configuration: log[own], progress: peers, hasCommittedInTerm: true,
            stalenessMilliseconds: 0, isLost: false, isInstalling: false, elections: 0, leaderChanges: 0,
            failedProposals: 0)
    }
}

typealias LogIndexOfRaft = GrapeRaft.LogIndex
