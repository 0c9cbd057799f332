import CRocksDB
import Glibc
import GrapeStorage

/// A second way into a store, without the checksums of rows.
enum RawStore {
    typealias Put = (_ key: [UInt8], _ stored: [UInt8]) -> Void

    /// The bytes stored under `key`, trailer included. Closes `database`.
    static func get(_ scratch: Scratch, _ database: Database, _ family: ColumnFamily, _ key: [UInt8]) throws -> [UInt8]?
    {
        try database.close()
        var found: [UInt8]?
        try open(scratch, family) { store, handle in
            let options = rocksdb_readoptions_create()
            defer { rocksdb_readoptions_destroy(options) }
            var count = 0
            var error: UnsafeMutablePointer<CChar>?
            key.withUnsafeBytes { bytes in
                let start = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
                if let value = rocksdb_get_cf(store, options, handle, start, bytes.count, &count, &error) {
                    found = [UInt8](UnsafeRawBufferPointer(start: value, count: count))
                    rocksdb_free(value)
                }
            }
        }
        return found
    }

    static func alter(_ scratch: Scratch, _ family: ColumnFamily, _ body: (Put) -> Void) throws {
        try open(scratch, family) { store, handle in
            let options = rocksdb_writeoptions_create()
            defer { rocksdb_writeoptions_destroy(options) }
            body { key, stored in
                var error: UnsafeMutablePointer<CChar>?
                key.withUnsafeBytes { key in
                    stored.withUnsafeBytes { stored in
                        rocksdb_put_cf(
                            store, options, handle, key.baseAddress?.assumingMemoryBound(to: CChar.self), key.count,
                            stored.baseAddress?.assumingMemoryBound(to: CChar.self), stored.count, &error)
                    }
                }
                precondition(error == nil, "raw put failed")
            }
        }
    }

    struct OpenFailed: Error {}

    private static func open(
        _ scratch: Scratch, _ family: ColumnFamily, _ body: (OpaquePointer, OpaquePointer) -> Void
    ) throws {
        let options = rocksdb_options_create()
        defer { rocksdb_options_destroy(options) }
        let names = ["default"] + ColumnFamily.allCases.map(\.name)
        let texts = names.map { strdup($0) }
        defer { texts.forEach { free($0) } }
        var pointers = texts.map { UnsafePointer($0) }
        var families = [OpaquePointer?](repeating: options, count: names.count)
        var handles = [OpaquePointer?](repeating: nil, count: names.count)
        var error: UnsafeMutablePointer<CChar>?
        let store = rocksdb_open_column_families(
            options, scratch.path, Int32(names.count), &pointers, &families, &handles, &error)
        guard let store, let index = names.firstIndex(of: family.name), let handle = handles[index] else {
            throw OpenFailed()
        }
        body(store, handle)
        handles.forEach { rocksdb_column_family_handle_destroy($0) }
        rocksdb_close(store)
    }
}
