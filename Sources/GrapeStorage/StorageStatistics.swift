/// Figures for metrics and for the decisions that the node takes about load.
package struct StorageStatistics: Sendable {
    /// Bytes in table files. Ask it by key; do not iterate it.
    package var familyBytes: [ColumnFamily: UInt64] = [:]
    package var sstBytes: UInt64 = 0
    package var walBytes: UInt64 = 0
    package var memtableBytes: UInt64 = 0
    package var cacheBytes: UInt64 = 0
    package var cachePinnedBytes: UInt64 = 0
    package var pendingCompactionBytes: UInt64 = 0
    package var estimatedKeys: UInt64 = 0
    package var cacheHits: UInt64 = 0
    package var cacheMisses: UInt64 = 0
    package var bytesWritten: UInt64 = 0
    package var bytesRead: UInt64 = 0
    package var walSyncs: UInt64 = 0
    package var stallMicroseconds: UInt64 = 0
    package var isWriteStopped = false

    /// 1 before the first look-up.
    package var cacheHitRatio: Double {
        let lookups = cacheHits + cacheMisses
        return lookups == 0 ? 1 : Double(cacheHits) / Double(lookups)
    }
}

/// A file that fails its checksums.
package struct StorageDamage: Sendable, Equatable {
    package let file: String
    package let family: ColumnFamily?
    package let detail: String
}

/// What reading every row of a family gave.
package struct RowCheck: Sendable {
    package let rows: UInt64
    package let damaged: [StorageError]
}
