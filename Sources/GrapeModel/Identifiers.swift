/// Number of a shard, 0 ..< shard_count. The catalog's group has the number `shard_count`.
package struct ShardID: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let rawValue: UInt16

    package init(_ rawValue: UInt16) { self.rawValue = rawValue }

    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    package var description: String { String(rawValue) }
}

/// Number of a collection: never reused, so rows and log entries of a dropped collection can't be taken for those of a
/// later one of the same name.
package struct CollectionID: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let rawValue: UInt64

    package init(_ rawValue: UInt64) { self.rawValue = rawValue }

    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    package var description: String { String(rawValue) }
}

/// Position in a group's log; 0 is before the first entry. As the version of a row it says which entry wrote it last.
package struct LogIndex: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let rawValue: UInt64

    package init(_ rawValue: UInt64) { self.rawValue = rawValue }

    package var next: LogIndex { LogIndex(rawValue + 1) }
    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    package var description: String { String(rawValue) }
}

/// How many changes the catalog has seen. Every write entry carries the one under which it was resolved.
package struct CatalogVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let rawValue: UInt64

    package init(_ rawValue: UInt64) { self.rawValue = rawValue }

    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    package var description: String { String(rawValue) }
}

/// Number of a member: given by the catalog, from 1, never reused. A node that comes back with an empty directory gets
/// another one.
package struct NodeNumber: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let rawValue: UInt32

    package init(_ rawValue: UInt32) { self.rawValue = rawValue }

    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    package var description: String { String(rawValue) }
}

/// How often a shard was begun anew after a disaster: writes that were meant for the shard as it was before are refused.
package struct ShardEpoch: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let rawValue: UInt32

    package init(_ rawValue: UInt32) { self.rawValue = rawValue }

    package static let first = ShardEpoch(1)
    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    package var description: String { String(rawValue) }
}
