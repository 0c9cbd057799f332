/// The bytes of the keys, by handle.
///
/// Blocks come in seven sizes with a list of free blocks each; the usual keys (9 bytes for an integer, 17 for a UUID,
/// and two for the length) fit the first two almost without waste.
///
/// Thread safety: `store` and `free` are called under the owner's lock; a stored key is constant until it is freed.
final class KeyArena: @unchecked Sendable {
    private static let sizes = [12, 20, 36, 68, 132, 260, 516]
    private static let none = UInt32.max
    /// Handles count units of four bytes: 16 GiB can be told apart.
    private static let unit = 4
    private static let unitShift = 16
    private static let chunkBytes = unit << unitShift

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
        block.storeBytes(of: UInt16(key.count), as: UInt16.self)
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
        let block = UnsafeRawPointer(address(handle))
        return UnsafeRawBufferPointer(start: block + 2, count: Int(block.load(as: UInt16.self)))
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
