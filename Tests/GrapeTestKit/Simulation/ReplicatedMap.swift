import GrapeRaft

/// The state machine of the simulation: a map with compare-and-set, and for each client the results of its open
/// operations, so that a command that comes twice takes effect once (RAFT.md 24).
///
/// Invariant: a function of the applied entries alone. A value: a copy is a snapshot.
struct ReplicatedMap: Sendable {
    enum Outcome: Equatable, Sendable {
        case none, written, swapped
        /// The value that was there instead of the expected one.
        case notSwapped(found: UInt64)

        var word: UInt64 {
            switch self {
            case .none: 0
            case .written: 1
            case .swapped: 2
            case .notSwapped(let found): 3 + found
            }
        }
    }

    enum Effect: Equatable {
        case done(Outcome)
        /// Seen before; the stored outcome.
        case duplicate(Outcome)
        /// The client has stopped waiting for it, so nothing may happen any more.
        case stale
    }

    private(set) var applied = LogIndex.zero
    var confState = ConfState()
    /// Over every applied entry and its outcome.
    private(set) var digest: UInt64 = 0
    /// By key.
    private(set) var values: [UInt64]
    /// By client.
    private var lowestOpen: [UInt32]
    /// By client and sequence modulo `window`: a client has no more operations open than that.
    private var results: [(sequence: UInt32, outcome: Outcome)]
    private let window: Int

    init(keys: Int, clients: Int, window: Int) {
        values = Array(repeating: 0, count: keys)
        lowestOpen = Array(repeating: 0, count: clients)
        results = Array(repeating: (0, .none), count: clients * window)
        self.window = window
    }

    mutating func start(at index: LogIndex, _ confState: ConfState) {
        applied = index
        self.confState = confState
    }

    /// An entry that carries no command: of a new leader, or of a configuration change.
    mutating func skip(_ entry: Entry) {
        advance(entry, outcome: .none)
    }

    mutating func apply(_ command: MapCommand, _ entry: Entry, forgetsDuplicates: Bool) -> Effect {
        let client = Int(command.client)
        let place = client * window + Int(command.sequence) % window
        if forgetsDuplicates { results[place] = (0, .none) }
        let effect: Effect
        if command.sequence < lowestOpen[client] && !forgetsDuplicates {
            effect = .stale
        } else if let outcome = storedOutcome(command) {
            effect = .duplicate(outcome)
        } else {
            lowestOpen[client] = max(lowestOpen[client], command.lowestOpen)
            let outcome = perform(command)
            results[place] = (command.sequence, outcome)
            effect = .done(outcome)
        }
        if case .done(let outcome) = effect {
            advance(entry, outcome: outcome)
        } else {
            advance(entry, outcome: .none)
        }
        return effect
    }

    /// The result of a command applied before, while its client may still ask for it.
    func storedOutcome(_ command: MapCommand) -> Outcome? {
        let result = results[Int(command.client) * window + Int(command.sequence) % window]
        return result.sequence == command.sequence && result.outcome != .none ? result.outcome : nil
    }

    private mutating func perform(_ command: MapCommand) -> Outcome {
        let key = Int(command.key)
        switch command.kind {
        case .read: return .none
        case .write:
            values[key] = command.value
            return .written
        case .compareAndSet:
            guard values[key] == command.expected else { return .notSwapped(found: values[key]) }
            values[key] = command.value
            return .swapped
        }
    }

    private mutating func advance(_ entry: Entry, outcome: Outcome) {
        precondition(entry.index == applied.next, "applies \(entry.index.rawValue) after \(applied.rawValue)")
        applied = entry.index
        digest = (digest ^ entry.term.rawValue &+ outcome.word << 32) &* 0x9E37_79B9_7F4A_7C15
        digest ^= digest >> 31 ^ TraceHash.of(entry.data)
    }

    /// The contents themselves, hashed afresh: finds a copy that does not hold what its digest says.
    var contentHash: UInt64 {
        var hash = TraceHash(seed: applied.rawValue)
        for index in values.indices { hash.mix(values[index]) }
        for index in lowestOpen.indices { hash.mix(UInt64(lowestOpen[index])) }
        for index in results.indices {
            hash.mix(UInt64(results[index].sequence))
            hash.mix(results[index].outcome.word)
        }
        return hash.value
    }
}
