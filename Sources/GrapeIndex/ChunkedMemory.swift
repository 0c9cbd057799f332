import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Memory that grows by chunks of one size and never moves: a table of chunk addresses, and the chunks.
///
/// Chunks come zeroed and cost nothing until they are touched, so a small collection is small. A collection that has
/// outgrown its first chunk gets huge pages: a walk touches memory at random, and most of its misses would be two.
///
/// Thread safety: `grow` is called under the owner's lock. A chunk's address is written once, before any index into
/// that chunk is handed out, so whoever has an index may read the table without a lock.
final class ChunkedMemory: @unchecked Sendable {
    let chunkBytes: Int
    private let chunksMax: Int
    let table: UnsafeMutablePointer<UnsafePointer<UInt8>?>
    private(set) var count = 0

    private static let hugePage = 2 << 20

    init(chunkBytes: Int, chunksMax: Int) throws(IndexError) {
        let bytes = chunksMax * MemoryLayout<UnsafePointer<UInt8>?>.stride
        self.chunkBytes = chunkBytes
        self.chunksMax = chunksMax
        table = try Self.map(bytes: bytes).bindMemory(to: UnsafePointer<UInt8>?.self, capacity: chunksMax)
    }

    deinit {
        for chunk in 0..<count {
            guard let base = table[chunk] else { continue }
            munmap(UnsafeMutableRawPointer(mutating: base), chunkBytes)
        }
        munmap(table, chunksMax * MemoryLayout<UnsafePointer<UInt8>?>.stride)
    }

    /// Adds a chunk and returns its number.
    func grow() throws(IndexError) -> Int {
        guard count < chunksMax else { throw .full(ordinals: IndexLimits.ordinalsMax) }
        let base =
            chunkBytes >= Self.hugePage ? try Self.mapAligned(bytes: chunkBytes) : try Self.map(bytes: chunkBytes)
        if count == 1, let first = table[0] {
            Self.adviseHugePages(UnsafeMutableRawPointer(mutating: first), chunkBytes)
        }
        if count >= 1 { Self.adviseHugePages(base, chunkBytes) }
        table[count] = UnsafePointer(base.assumingMemoryBound(to: UInt8.self))
        count += 1
        return count - 1
    }

    private static func map(bytes: Int) throws(IndexError) -> UnsafeMutableRawPointer {
        #if os(Linux)
            let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        #else
            let flags = MAP_PRIVATE | MAP_ANON
        #endif
        guard let address = mmap(nil, bytes, PROT_READ | PROT_WRITE, flags, -1, 0), address != MAP_FAILED else {
            throw .outOfMemory(bytes: bytes)
        }
        return address
    }

    /// Maps a little more and gives the ends back, so that the chunk starts on a huge page.
    private static func mapAligned(bytes: Int) throws(IndexError) -> UnsafeMutableRawPointer {
        let address = try map(bytes: bytes + hugePage)
        let before = (hugePage - Int(bitPattern: address) % hugePage) % hugePage
        let start = address + before
        if before > 0 { munmap(address, before) }
        if before < hugePage { munmap(start + bytes, hugePage - before) }
        return start
    }

    /// A wish: where the system has no huge pages nothing is lost but speed.
    private static func adviseHugePages(_ address: UnsafeMutableRawPointer, _ bytes: Int) {
        #if os(Linux)
            guard bytes >= hugePage else { return }
            madvise(address, bytes, 14 /* MADV_HUGEPAGE: not in every libc's headers */)
        #endif
    }
}
