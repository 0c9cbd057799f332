/// The column families of a node's one database.
///
/// The raw value is part of every row's checksum and therefore final; the name is what RocksDB's MANIFEST holds. A new
/// family is one more case with the next number: `Database.open` creates families that a directory lacks. RocksDB's
/// own `default` family exists and stays empty.
package enum ColumnFamily: UInt8, CaseIterable, Sendable {
    /// Raft log or commit log entries: appended, read back once, deleted by range.
    case log = 1
    /// Small records of groups, terms and indexes, and storage's own format record.
    case state
    /// Rows' vectors.
    case vectors
    /// Rows' payloads, under the same keys as `vectors`.
    case payloads
    /// Collections, members, placement.
    case catalog
    /// Chunks of graph checkpoints: large values, written and deleted as a whole.
    case indexCheckpoints

    package var name: String {
        switch self {
        case .log: "log"
        case .state: "state"
        case .vectors: "vectors"
        case .payloads: "payloads"
        case .catalog: "catalog"
        case .indexCheckpoints: "index_checkpoints"
        }
    }

    init?(name: String) {
        guard let family = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = family
    }

    /// Place in arrays that hold one thing a family.
    var ordinal: Int { Int(rawValue) - 1 }
}
