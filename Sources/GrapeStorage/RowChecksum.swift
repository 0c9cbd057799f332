import CHash

/// CRC32C (Castagnoli) by the processor's instruction where it has one.
package enum CRC32C {
    /// Sums `bytes`; `seed` is the result over the bytes before them, so that parts can be summed one after another.
    package static func checksum(_ bytes: RawSpan, seed: UInt32 = 0) -> UInt32 {
        bytes.withUnsafeBytes { grape_crc32c(seed, $0.baseAddress, $0.count) }
    }

    package static func checksum(_ bytes: [UInt8], seed: UInt32 = 0) -> UInt32 {
        bytes.withUnsafeBytes { grape_crc32c(seed, $0.baseAddress, $0.count) }
    }
}

/// XXH64, which places points on shards: seed 0, fixed for ever.
package enum XXH64 {
    package static func hash(_ bytes: RawSpan, seed: UInt64 = 0) -> UInt64 {
        bytes.withUnsafeBytes { grape_xxh64(seed, $0.baseAddress, $0.count) }
    }

    package static func hash(_ bytes: [UInt8], seed: UInt64 = 0) -> UInt64 {
        bytes.withUnsafeBytes { grape_xxh64(seed, $0.baseAddress, $0.count) }
    }
}

/// The checksum that ends every stored value: CRC32C over family, key length, key and value, little-endian.
///
/// RocksDB's own block checksums cover the way from the file to its cache. This one also covers a value that was
/// stored under another key or in another family, and memory between our write and RocksDB's block.
enum RowChecksum {
    static let byteCount = 4

    static func of(
        _ family: ColumnFamily, key: UnsafeRawBufferPointer, header: UnsafeRawBufferPointer,
        body: UnsafeRawBufferPointer
    ) -> UInt32 {
        let count = UInt32(truncatingIfNeeded: key.count)
        // Family in the lowest byte, the key's length above it: eight bytes, so that the key starts on a full step.
        var prefix = (UInt64(count) << 8 | UInt64(family.rawValue)).littleEndian
        var sum = withUnsafeBytes(of: &prefix) { grape_crc32c(0, $0.baseAddress, $0.count) }
        sum = grape_crc32c(sum, key.baseAddress, key.count)
        sum = grape_crc32c(sum, header.baseAddress, header.count)
        return body.isEmpty ? sum : grape_crc32c(sum, body.baseAddress, body.count)
    }

    /// Splits a stored value into the caller's bytes and checks them; nil means damage.
    static func verified(
        _ family: ColumnFamily, key: UnsafeRawBufferPointer, stored: UnsafeRawBufferPointer
    ) -> UnsafeRawBufferPointer? {
        guard stored.count >= byteCount else { return nil }
        let value = UnsafeRawBufferPointer(rebasing: stored.dropLast(byteCount))
        let trailer = stored.loadUnaligned(fromByteOffset: value.count, as: UInt32.self)
        let expected = of(family, key: key, header: value, body: UnsafeRawBufferPointer(start: nil, count: 0))
        return UInt32(littleEndian: trailer) == expected ? value : nil
    }
}
