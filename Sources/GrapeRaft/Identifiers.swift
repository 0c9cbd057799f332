/// A term of the Raft paper: the logical clock that numbers leaders. Zero is before any election.
package struct Term: Sendable, Hashable, Comparable {
    package static let zero = Term(0)

    package let rawValue: UInt64

    package init(_ rawValue: UInt64) { self.rawValue = rawValue }

    /// Invariant: terms above `Limits.termMax` never enter the core, so this cannot overflow.
    package var next: Term { Term(rawValue + 1) }

    package static func < (left: Term, right: Term) -> Bool { left.rawValue < right.rawValue }
}

/// The position of an entry in the log. The first entry has index 1; zero stands before it.
package struct LogIndex: Sendable, Hashable, Comparable {
    package static let zero = LogIndex(0)

    package let rawValue: UInt64

    package init(_ rawValue: UInt64) { self.rawValue = rawValue }

    /// Invariant: indexes above `Limits.indexMax` never enter the core, so this cannot overflow.
    package var next: LogIndex { LogIndex(rawValue + 1) }

    /// The index before this one. Zero has none.
    package var previous: LogIndex {
        precondition(rawValue > 0, "index 0 has no predecessor")
        return LogIndex(rawValue - 1)
    }

    package func advanced(by count: Int) -> LogIndex { LogIndex(rawValue + UInt64(count)) }

    /// The number of entries in `[start, self)`.
    package func distance(from start: LogIndex) -> Int {
        precondition(self >= start, "distance from \(start.rawValue) to the lower index \(rawValue)")
        return Int(rawValue - start.rawValue)
    }

    package static func < (left: LogIndex, right: LogIndex) -> Bool { left.rawValue < right.rawValue }
}

/// One copy of a shard. Never reused: a replica that lost its log comes back under a new one.
package struct ReplicaID: Sendable, Hashable, Comparable {
    /// No replica: no leader known, no vote cast.
    package static let none = ReplicaID(0)
    /// Where `storageAppend` messages go: whoever makes the log durable on this node.
    package static let appendThread = ReplicaID(UInt64.max)
    /// Where `storageApply` messages go: whoever applies committed entries on this node.
    package static let applyThread = ReplicaID(UInt64.max - 1)

    package let rawValue: UInt64

    package init(_ rawValue: UInt64) { self.rawValue = rawValue }

    package var isLocalThread: Bool { self == .appendThread || self == .applyThread }

    package static func < (left: ReplicaID, right: ReplicaID) -> Bool { left.rawValue < right.rawValue }
}

/// What a reader tags its request with to know the answer again. The reader keeps it unique.
package struct ReadContext: Sendable, Hashable {
    package let rawValue: UInt64

    package init(_ rawValue: UInt64) { self.rawValue = rawValue }
}
