import CVectorKernels

/// The bytes of the keys, by handle.
///
/// Blocks come in seven sizes with a list of free blocks each; the usual keys (9 bytes for an integer, 17 for a UUID,
/// and two for the length) fit the first two almost without waste.
///
/// Thread safety: `store` and `free` are called under the owner's lock; a stored key is constant until it is freed, but for
/// its tag, which is atomic.
final class KeyArena: @unchecked Sendable {
    private static let sizes = [12, 20, 36, 68, 132, 260, 516]
    private static let none = UInt32.max
    /// Handles count units of four bytes: 16 GiB can be told apart.
    private static let unit = 4
    private static let unitShift = 16
    private static let chunkBytes = unit << unitShift
    /// A block begins with the key's length, little-endian; its highest two bits are the tag.
    private static let tagShift: UInt8 = 6
    private static let tagMask: UInt8 = 3 << tagShift

    private let memory: ChunkedMemory
    private var freeHeads: [UInt32]
    private var next = 0
    private(set) var bytesUsed = 0

    init() throws(IndexError) {
        memory = try ChunkedMemory(chunkBytes: Self.chunkBytes, chunksMax: IndexLimits.chunksMax)
        freeHeads = Array(repeating: Self.none, count: Self.sizes.count)
    }

    func store(_ key: Span<UInt8>) throws(IndexError) -> UInt32 {
        precondition(
            (IndexLimits.keyBytesMin...IndexLimits.keyBytesMax).contains(key.count), "key of \(key.count) bytes")
        let sizeClass = Self.sizeClass(of: key.count)
        let handle = try take(sizeClass)
        let block = address(handle)
        block.storeBytes(of: UInt16(key.count).littleEndian, as: UInt16.self)
        key.withUnsafeBytes { (block + 2).copyMemory(from: $0.baseAddress.unsafelyUnwrapped, byteCount: $0.count) }
        bytesUsed += Self.sizes[sizeClass]
        return handle
    }

    func free(_ handle: UInt32) {
        let sizeClass = Self.sizeClass(of: bytes(handle).count)
        address(handle).storeBytes(of: freeHeads[sizeClass], as: UInt32.self)
        freeHeads[sizeClass] = handle
        bytesUsed -= Self.sizes[sizeClass]
    }

    func bytes(_ handle: UInt32) -> UnsafeRawBufferPointer {
        let block = address(handle)
        let count = Int(block.load(as: UInt8.self)) | Int(highByte(block) & ~Self.tagMask) << 8
        return UnsafeRawBufferPointer(start: block + 2, count: count)
    }

    /// Two bits that are kept with a key, 0 at first.
    func tag(_ handle: UInt32) -> UInt8 { highByte(address(handle)) >> Self.tagShift }

    /// Whoever sets the tag of a key, also several at once, sets the same.
    func setTag(_ handle: UInt32, _ tag: UInt8) {
        precondition(tag < 4, "a tag of \(tag) has more than two bits")
        let block = address(handle)
        let high = highByte(block) & ~Self.tagMask | tag << Self.tagShift
        grape_store_u8((block + 1).assumingMemoryBound(to: UInt8.self), high)
    }

    private func highByte(_ block: UnsafeMutableRawPointer) -> UInt8 {
        grape_load_u8((block + 1).assumingMemoryBound(to: UInt8.self))
    }

    private func take(_ sizeClass: Int) throws(IndexError) -> UInt32 {
        let head = freeHeads[sizeClass]
        if head != Self.none {
            freeHeads[sizeClass] = address(head).load(as: UInt32.self)
            return head
        }
        let size = Self.sizes[sizeClass]
        if next + size > memory.count * Self.chunkBytes {
            next = try memory.grow() * Self.chunkBytes
        }
        defer { next += size }
        return UInt32(next / Self.unit)
    }

    private func address(_ handle: UInt32) -> UnsafeMutableRawPointer {
        guard let chunk = memory.table[Int(handle >> UInt32(Self.unitShift))] else {
            preconditionFailure("key handle \(handle) out of range")
        }
        return UnsafeMutableRawPointer(mutating: chunk) + Int(handle & UInt32(1 << Self.unitShift - 1)) * Self.unit
    }

    private static func sizeClass(of keyBytes: Int) -> Int {
        sizes.firstIndex { $0 >= keyBytes + 2 } ?? sizes.count - 1
    }
}
