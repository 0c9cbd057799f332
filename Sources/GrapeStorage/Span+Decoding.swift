// Reading and building rows without pointers, for the modules that may hold none. Offsets are checked.

extension Span where Element == UInt8 {
    package func uint16LittleEndian(at offset: Int) -> UInt16 { UInt16(littleEndian: load(at: offset)) }
    package func uint32LittleEndian(at offset: Int) -> UInt32 { UInt32(littleEndian: load(at: offset)) }
    package func uint64LittleEndian(at offset: Int) -> UInt64 { UInt64(littleEndian: load(at: offset)) }
    package func uint32BigEndian(at offset: Int) -> UInt32 { UInt32(bigEndian: load(at: offset)) }
    package func uint64BigEndian(at offset: Int) -> UInt64 { UInt64(bigEndian: load(at: offset)) }

    /// `count` little-endian 32-bit floats that begin at `offset`, however they are aligned.
    package func copyFloats(at offset: Int, count: Int) -> [Float] {
        [Float](unsafeUninitializedCapacity: count) { floats, initialized in
            copy(at: offset, byteCount: count * 4, to: UnsafeMutableRawBufferPointer(floats))
            initialized = count
        }
    }

    /// Fills `floats` with little-endian 32-bit floats that begin at `offset`.
    package func copyFloats(at offset: Int, into floats: inout MutableSpan<Float>) {
        let byteCount = floats.count * 4
        floats.withUnsafeMutableBytes { copy(at: offset, byteCount: byteCount, to: $0) }
    }

    package func copyBytes(_ range: Range<Int>) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: range.count) { bytes, initialized in
            copy(at: range.lowerBound, byteCount: range.count, to: UnsafeMutableRawBufferPointer(bytes))
            initialized = range.count
        }
    }

    package func copyBytes() -> [UInt8] { copyBytes(0..<count) }

    /// The text in `range`, or nil where it is not valid UTF-8.
    package func string(_ range: Range<Int>) -> String? {
        String(validating: copyBytes(range), as: UTF8.self)
    }

    private func load<Integer: FixedWidthInteger>(at offset: Int) -> Integer {
        let size = MemoryLayout<Integer>.size
        precondition(offset >= 0 && offset <= count - size, "read of \(size) bytes at \(offset) of \(count)")
        return withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: Integer.self) }
    }

    private func copy(at offset: Int, byteCount: Int, to target: UnsafeMutableRawBufferPointer) {
        precondition(
            offset >= 0 && byteCount >= 0 && offset <= count - byteCount,
            "read of \(byteCount) at \(offset) of \(count)")
        withUnsafeBytes { target.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[offset..<(offset + byteCount)])) }
    }
}

extension [UInt8] {
    /// 32-bit little-endian floats.
    package mutating func append(floats: [Float]) {
        floats.withUnsafeBytes { append(contentsOf: $0) }
    }
}
