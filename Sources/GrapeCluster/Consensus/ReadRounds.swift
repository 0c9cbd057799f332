import BitCollections
import GrapeEngine
import GrapeModel
import GrapeRaft

/// Reads that wait until this node has applied what was committed before they came (RAFT.md 11, DESIGN D7).
///
/// Rounds are numbered as they are sent, each for one or more groups. Readers that wait at one moment share the next round,
/// but for those whose groups another is under way for; a round that was sent takes no more. A round without result is
/// followed by another, for as long as somebody waits; the result of any round that was sent after a reader came is good
/// for it, so a slow answer is not lost by asking again.
///
/// Owned by the store loop.
struct ReadRounds {
    private struct Reader {
        let token: Token
        /// Rounds after this one were sent after the reader came.
        let after: UInt64
        /// Whether a round was sent for it; the groups of replicas that did not run then are asked again.
        var isAsked = false
        /// Others who came later had a round, since theirs were other groups.
        var isPassedOver = false
        /// Groups of which no round has said how far to wait, by place.
        var unsettled: BitSet
        /// Groups that have not applied so far yet.
        var behind: [(place: Int, index: RaftIndex)] = []

        var isReadable: Bool { behind.isEmpty && unsettled.isEmpty }

        func isDue(_ busy: BitSet) -> Bool { !isAsked && (isPassedOver || unsettled.isDisjoint(with: busy)) }
    }

    /// What a round has heard, by place.
    private struct Round {
        var number: UInt64 = 0
        var tallies: [ReadTally] = []
    }

    /// In the order in which they came.
    private var readers: [Reader] = []
    /// The last rounds, each in the slot of its number; answers to earlier ones come too late.
    private var rounds = [Round](repeating: Round(), count: 16)
    /// The last round that was sent; at first a number that no earlier run of this node used, as far as chance goes.
    private var last: UInt64

    init(seed: UInt64) { last = (seed &* 0x9E37_79B9_7F4A_7C15) >> 1 }

    /// -> true where there is nothing to wait for.
    mutating func add(_ token: Token, _ groups: [LogGroup]) -> Bool {
        guard !groups.isEmpty else { return true }
        readers.append(Reader(token: token, after: last, unsettled: BitSet(groups.lazy.map(\.place))))
        return false
    }

    mutating func cancel(_ token: Token) { readers.removeAll { $0.token == token } }

    // MARK: Asking

    /// What is to be said to other nodes, and the reads that wait for nothing more.
    struct Step {
        var exchanges: [(NodeNumber, ReadExchange)] = []
        var readable: [Token] = []
    }

    /// Readers for whom a round can be sent: none is under way for any of their groups, or they have waited for that already.
    var due: Int {
        guard readers.contains(where: { !$0.isAsked }) else { return 0 }
        let busy = busyGroups
        return readers.count { $0.isDue(busy) }
    }

    private var busyGroups: BitSet {
        readers.reduce(into: BitSet()) { if $1.isAsked { $0.formUnion($1.unsettled) } }
    }

    /// Sends one round for all who are due.
    mutating func begin(_ replicas: [ReplicaDriver]) -> Step {
        let busy = busyGroups
        var wanted = BitSet()
        for place in readers.indices where !readers[place].isAsked {
            guard readers[place].isDue(busy) else {
                readers[place].isPassedOver = true
                continue
            }
            readers[place].isAsked = true
            wanted.formUnion(readers[place].unsettled)
        }
        return ask(replicas, wanted)
    }

    /// Rounds that brought no result are followed by another, which takes along who waits for the next.
    mutating func retry(_ replicas: [ReplicaDriver]) -> Step {
        var wanted = BitSet()
        for place in readers.indices {
            readers[place].isAsked = true
            wanted.formUnion(readers[place].unsettled)
        }
        return ask(replicas, wanted)
    }

    /// The same for one group, where somebody waits for its result.
    mutating func retry(_ replica: ReplicaDriver) -> Step {
        let place = replica.group.place
        guard readers.contains(where: { $0.isAsked && $0.unsettled.contains(place) }) else { return Step() }
        return ask([replica], [place])
    }

    private mutating func ask(_ replicas: [ReplicaDriver], _ wanted: BitSet) -> Step {
        var step = Step()
        let asking = wanted.isEmpty ? [] : replicas.filter { $0.isRunning && wanted.contains($0.group.place) }
        guard !asking.isEmpty else { return step }
        last += 1
        let slot = slot(of: last)
        begin(slot)
        var asked: [(node: NodeNumber, groups: [LogGroup])] = []
        var settled = BitSet()
        for driver in asking {
            let place = driver.group.place
            while rounds[slot].tallies.count <= place { rounds[slot].tallies.append(ReadTally()) }
            rounds[slot].tallies[place].begin(driver.standing)
            // Who votes alone needs nobody's word.
            if settle(slot, place, applied: driver.appliedIndex) { settled.insert(place) }
            for node in driver.readQuorum.otherVoters {
                if let known = asked.firstIndex(where: { $0.node == node }) {
                    asked[known].groups.append(driver.group)
                } else {
                    asked.append((node, [driver.group]))
                }
            }
        }
        asked.sort { $0.node < $1.node }
        step.exchanges = asked.map { ($0.node, .ask(round: last, $0.groups)) }
        step.readable = finish(settled, last)
        return step
    }

    private func slot(of number: UInt64) -> Int { Int(number % UInt64(rounds.count)) }

    private mutating func begin(_ slot: Int) {
        rounds[slot].number = last
        for place in rounds[slot].tallies.indices { rounds[slot].tallies[place].end() }
    }

    // MARK: Results

    /// Another node's answer. -> reads that wait for nothing more.
    mutating func take(
        _ standings: [ReadExchange.Standing], _ number: UInt64, from node: NodeNumber,
        applied: (LogGroup) -> RaftIndex?
    ) -> [Token] {
        let slot = slot(of: number)
        guard rounds[slot].number == number, !readers.isEmpty else { return [] }
        var settled = BitSet()
        for standing in standings where standing.replica.node == node {
            let place = standing.group.place
            guard place < rounds[slot].tallies.count, rounds[slot].tallies[place].isOpen,
                let applied = applied(standing.group)
            else { continue }
            rounds[slot].tallies[place].add(standing)
            if settle(slot, place, applied: applied) { settled.insert(place) }
        }
        return finish(settled, number)
    }

    /// -> whether the group's result is there, and applied. Where it is not applied, readers wait for that.
    private mutating func settle(_ slot: Int, _ place: Int, applied: RaftIndex) -> Bool {
        guard let index = rounds[slot].tallies[place].index else { return false }
        rounds[slot].tallies[place].end()
        if index <= applied { return true }
        for reader in readers.indices where readers[reader].after < rounds[slot].number {
            if readers[reader].unsettled.remove(place) != nil { readers[reader].behind.append((place, index)) }
        }
        return false
    }

    /// These groups are settled for all who came before the round, and applied so far. -> reads that wait for nothing more.
    private mutating func finish(_ settled: BitSet, _ number: UInt64) -> [Token] {
        guard !settled.isEmpty else { return [] }
        for place in readers.indices where readers[place].after < number {
            readers[place].unsettled.subtract(settled)
        }
        return takeReadable()
    }

    /// The group has applied so far. -> reads that wait for nothing more.
    mutating func applied(_ group: LogGroup, through index: RaftIndex) -> [Token] {
        guard readers.contains(where: { !$0.behind.isEmpty }) else { return [] }
        for place in readers.indices {
            readers[place].behind.removeAll { $0.place == group.place && $0.index <= index }
        }
        return takeReadable()
    }

    /// The replica is gone. -> who read it.
    mutating func drop(_ group: LogGroup) -> [Token] {
        let place = group.place
        for slot in rounds.indices where place < rounds[slot].tallies.count { rounds[slot].tallies[place].end() }
        return takeAway { $0.unsettled.contains(place) || $0.behind.contains { $0.place == place } }
    }

    private mutating func takeReadable() -> [Token] { takeAway(\.isReadable) }

    private mutating func takeAway(_ isMeant: (Reader) -> Bool) -> [Token] {
        let tokens = readers.filter(isMeant).map(\.token)
        if !tokens.isEmpty { readers.removeAll(where: isMeant) }
        return tokens
    }
}

extension LogGroup {
    /// In tables of groups, small numbers for a node of usual size.
    fileprivate var place: Int {
        switch self {
        case .catalog: 0
        case .shard(let shard): Int(shard.rawValue) + 1
        }
    }
}
