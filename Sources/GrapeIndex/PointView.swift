// HOT PATH
import CVectorKernels

extension PointArena {
    /// Plain access to the points' fields: no object in between, so a loop that holds a view touches no reference
    /// count. Valid as long as its arena.
    struct View {
        let chunks: UnsafeMutablePointer<UnsafePointer<UInt8>?>
        let layout: PointLayout
        let dirtyChunks: UnsafeMutablePointer<UInt8>

        @inline(__always)
        private func slot(_ ordinal: UInt32, _ section: Int, _ stride: Int) -> UnsafeMutableRawPointer {
            let chunk = chunks[Int(ordinal >> UInt32(GRAPE_CHUNK_SHIFT))].unsafelyUnwrapped
            return UnsafeMutableRawPointer(mutating: chunk) + section
                + Int(ordinal & UInt32(GRAPE_CHUNK_MASK)) * stride
        }

        @inline(__always)
        func vector(_ ordinal: UInt32) -> UnsafeMutablePointer<Float> {
            slot(ordinal, layout.vectors, layout.vectorStride).assumingMemoryBound(to: Float.self)
        }

        @inline(__always)
        func code(_ ordinal: UInt32) -> UnsafeMutableRawPointer { slot(ordinal, layout.codes, layout.codeStride) }

        @inline(__always)
        func codeTrailer(_ ordinal: UInt32) -> UnsafeMutablePointer<grape_code_trailer> {
            (code(ordinal) + layout.codeWords * 8).assumingMemoryBound(to: grape_code_trailer.self)
        }

        /// Links on level 0, `layout.linkCapacity` of them.
        @inline(__always)
        func links(_ ordinal: UInt32) -> UnsafeMutablePointer<UInt32> {
            slot(ordinal, layout.links, layout.linkStride).assumingMemoryBound(to: UInt32.self)
        }

        @inline(__always)
        func record(_ ordinal: UInt32) -> UnsafeMutablePointer<PointRecord> {
            slot(ordinal, layout.records, MemoryLayout<PointRecord>.stride).assumingMemoryBound(to: PointRecord.self)
        }

        @inline(__always)
        func inDegree(_ ordinal: UInt32) -> UnsafeMutablePointer<UInt32> {
            slot(ordinal, layout.inDegrees, 4).assumingMemoryBound(to: UInt32.self)
        }

        @inline(__always)
        func deadMark(_ ordinal: UInt32) -> UnsafeMutablePointer<UInt8> {
            slot(ordinal, layout.deadMarks, 1).assumingMemoryBound(to: UInt8.self)
        }
    }
}

extension PointArena.View {
    @inline(__always)
    private func field<T>(_ ordinal: UInt32, _ offset: Int, as type: T.Type) -> UnsafeMutablePointer<T> {
        (UnsafeMutableRawPointer(record(ordinal)) + offset).assumingMemoryBound(to: type)
    }

    @inline(__always)
    func birth(_ ordinal: UInt32) -> UInt64 { grape_load_u64(field(ordinal, 0, as: UInt64.self)) }

    @inline(__always)
    func setBirth(_ ordinal: UInt32, _ stamp: UInt64) { grape_store_u64(field(ordinal, 0, as: UInt64.self), stamp) }

    @inline(__always)
    func death(_ ordinal: UInt32) -> UInt64 { grape_load_u64(field(ordinal, 8, as: UInt64.self)) }

    @inline(__always)
    func setDeath(_ ordinal: UInt32, _ stamp: UInt64) { grape_store_u64(field(ordinal, 8, as: UInt64.self), stamp) }

    /// Whether a search pinned at `stamp` sees the point; birth 0 (not born) wraps round and is never seen.
    @inline(__always)
    func isVisible(_ ordinal: UInt32, at stamp: UInt64) -> Bool {
        birth(ordinal) &- 1 < stamp && death(ordinal) > stamp
    }

    @inline(__always)
    func level(_ ordinal: UInt32) -> Int { Int(grape_load_u8(field(ordinal, 30, as: UInt8.self))) }

    func setLevel(_ ordinal: UInt32, _ level: Int) {
        grape_store_u8(field(ordinal, 30, as: UInt8.self), UInt8(truncatingIfNeeded: level))
    }

    @inline(__always)
    func lock(_ ordinal: UInt32) { grape_lock(field(ordinal, 31, as: UInt8.self)) }

    @inline(__always)
    func unlock(_ ordinal: UInt32) { grape_unlock(field(ordinal, 31, as: UInt8.self)) }

    @inline(__always)
    private func upper(_ ordinal: UInt32) -> UnsafeMutablePointer<UInt32> {
        let chunk = chunks[Int(ordinal >> UInt32(GRAPE_CHUNK_SHIFT))].unsafelyUnwrapped
        return (UnsafeMutableRawPointer(mutating: chunk) + layout.uppers + Int(ordinal & UInt32(GRAPE_CHUNK_MASK)) * 4)
            .assumingMemoryBound(to: UInt32.self)
    }

    /// First block of the point's links above level 0 (see `UpperLinks`).
    @inline(__always)
    func upperBlock(_ ordinal: UInt32) -> UInt32 { grape_load_u32(upper(ordinal)) }

    func setUpperBlock(_ ordinal: UInt32, _ block: UInt32) { grape_publish_u32(upper(ordinal), block) }

    @inline(__always)
    private func locationByte(_ ordinal: UInt32) -> UnsafeMutablePointer<UInt8> {
        let chunk = chunks[Int(ordinal >> UInt32(GRAPE_CHUNK_SHIFT))].unsafelyUnwrapped
        return UnsafeMutablePointer(mutating: chunk) + layout.locations + Int(ordinal & UInt32(GRAPE_CHUNK_MASK))
    }

    @inline(__always)
    func location(_ ordinal: UInt32) -> PointLocation {
        guard let location = PointLocation(rawValue: grape_load_u8(locationByte(ordinal))) else {
            preconditionFailure("point \(ordinal) is nowhere")
        }
        return location
    }

    func setLocation(_ ordinal: UInt32, _ location: PointLocation) {
        grape_store_u8(locationByte(ordinal), location.rawValue)
    }

    @inline(__always)
    func isDead(_ ordinal: UInt32) -> Bool { grape_load_u8(deadMark(ordinal)) != 0 }

    /// Notes that a chunk is not as the last checkpoint has it. Reads first: the line is shared by all writers.
    @inline(__always)
    func markDirty(_ ordinal: UInt32) {
        let mark = dirtyChunks + Int(ordinal >> UInt32(GRAPE_CHUNK_SHIFT))
        if grape_load_u8(mark) == 0 { grape_store_u8(mark, 1) }
    }

    /// Makes a slot that was never used, or was freed, ready for a new point.
    func reset(_ ordinal: UInt32) {
        record(ordinal).pointee = PointRecord(
            birth: 0, death: .max, version: 0, key: 0, shard: 0, level: 0, lock: 0)
        links(ordinal).update(repeating: GRAPE_NO_ORDINAL, count: layout.linkCapacity)
        setUpperBlock(ordinal, GRAPE_NO_ORDINAL)
        grape_store_u32(inDegree(ordinal), 0)
        grape_store_u8(deadMark(ordinal), 0)
        setLocation(ordinal, .staged)
    }
}
