/// How a database is opened: the `[storage]` table, and what the offline tool needs.
package struct StorageOptions: Sendable {
    /// LZ4 for all but vectors, zstd with a dictionary for the payloads' bottommost level.
    package var compression = true
    /// One LRU cache for blocks of all families; memtables are charged to it.
    package var cacheBytes = 512 << 20
    package var writeBufferBytes = 64 << 20
    /// Times `writeBufferBytes`: the budget that the memtables of all families share.
    package var maxWriteBuffers = 4
    package var targetFileBytes = 64 << 20
    package var bloomBitsPerKey = 10
    /// False: nothing waits for the disk. Writes reach the operating system, and survive this process but not the machine.
    package var syncWrites = true
    /// Size of the file that keeps space for what must still be written on a full disk. Capped to 1/32 of the disk; 0: none.
    package var reserveBytes = 32 << 20
    /// Free space below which `spaceState` is `.almostFull`. Capped to 1/8 of the disk.
    package var almostFullBytes = 128 << 20
    package var createIfMissing = true
    /// Takes no lock and changes nothing: for looking into a directory.
    package var readOnly = false
    /// Where the database lies, instead of a directory: then there is no `reserve`, no `synced` and no `LOG`.
    package var fileSystem: MemoryFileSystem?

    package init() {}

    var memtableBudgetBytes: Int { writeBufferBytes * max(1, maxWriteBuffers) }
}
