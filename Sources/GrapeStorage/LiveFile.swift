import CRocksDB

/// A table file that is part of the current version.
struct LiveFile {
    let name: String
    let family: ColumnFamily?
    let byteCount: UInt64
    let smallestKey: [UInt8]
    let largestKey: [UInt8]

    func covers(_ key: UnsafeRawBufferPointer) -> Bool {
        !key.lexicographicallyPrecedes(smallestKey) && !largestKey.lexicographicallyPrecedes(key)
    }
}

extension Database {
    /// Called by somebody who is counted as a user.
    func liveFiles() -> [LiveFile] {
        guard let list = rocksdb_livefiles(handles.database) else { return [] }
        defer { rocksdb_livefiles_destroy(list) }
        return (0..<rocksdb_livefiles_count(list)).compactMap { index in
            guard let name = rocksdb_livefiles_name(list, index) else { return nil }
            var count = 0
            let smallest = rocksdb_livefiles_smallestkey(list, index, &count)
            let smallestKey = [UInt8](UnsafeRawBufferPointer(start: smallest, count: count))
            let largest = rocksdb_livefiles_largestkey(list, index, &count)
            let largestKey = [UInt8](UnsafeRawBufferPointer(start: largest, count: count))
            let family = rocksdb_livefiles_column_family_name(list, index).map { String(cString: $0) }
            return LiveFile(
                name: String(String(cString: name).drop { $0 == "/" }),
                family: family.flatMap { ColumnFamily(name: $0) },
                byteCount: UInt64(rocksdb_livefiles_size(list, index)), smallestKey: smallestKey, largestKey: largestKey
            )
        }
    }
}
