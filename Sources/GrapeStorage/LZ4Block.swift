import CLZ4

/// LZ4 blocks, for what travels or lies in files. A block does not say how long it was: whoever writes it keeps that.
package enum LZ4Block {
    /// nil where the bytes don't become shorter.
    package static func compress(_ bytes: [UInt8]) -> [UInt8]? {
        let bound = grape_lz4_bound(bytes.count)
        guard bytes.count > 0, bound > 0 else { return nil }
        let block = [UInt8](unsafeUninitializedCapacity: bound) { target, count in
            count = grape_lz4_compress(bytes, bytes.count, target.baseAddress, bytes.count - 1)
        }
        return block.isEmpty ? nil : block
    }

    /// The bytes of a block that held exactly `count`; nil where it is no such block. Trusts nothing in it.
    package static func decompress(_ block: Span<UInt8>, count: Int) -> [UInt8]? {
        guard count > 0 else { return nil }
        var isWhole = false
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { target, written in
            isWhole = block.withUnsafeBufferPointer {
                grape_lz4_decompress($0.baseAddress, $0.count, target.baseAddress, count)
            }
            written = isWhole ? count : 0
        }
        return isWhole ? bytes : nil
    }
}
