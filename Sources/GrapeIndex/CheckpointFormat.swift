import CVectorKernels

/// Layout of a checkpoint's chunk: a fixed range of ordinals, readable on its own. Little-endian.
///
///     magic u32, format u16, zero u16, fingerprint of the parameters u64, chunk u32, points u32
///     each point, in order of ordinals:
///         slot in the chunk u16, level u8, shard u16, version u64, key length u16, key
///         for each level from 0 up: number of links u16, links u32 each
///         the code with its trailer, if walks compare codes
///
/// The row around it carries a checksum; reading still believes nothing that it can check.
enum CheckpointFormat {
    static let magic: UInt32 = 0x4B_43_52_47  // "GRCK"
    static let version: UInt16 = 1
    static let headerBytes = 24

    /// A point as a chunk has it.
    struct Point {
        var ordinal: UInt32
        var level: Int
        var shard: UInt16
        var version: UInt64
        var key: [UInt8]
        /// By level.
        var links: [[UInt32]]
        var code: [UInt8]
    }

    /// Codes that no walk compares are not written: loading has the vectors at hand and makes them anew.
    static func codeBytes(_ parameters: IndexParameters, _ layout: PointLayout) -> Int {
        !parameters.walksCodes ? 0 : layout.codeWords * 8 + MemoryLayout<grape_code_trailer>.size
    }

    static func writeHeader(chunk: UInt32, fingerprint: UInt64, to writer: inout ByteWriter) {
        writer.write(magic)
        writer.write(version)
        writer.write(UInt16(0))
        writer.write(fingerprint)
        writer.write(chunk)
        writer.write(UInt32(0))
        precondition(writer.bytes.count == headerBytes, "a header of another size than agreed")
    }

    /// The points of a chunk; nil if anything in it is not as it can only be.
    static func read(
        chunk: UInt32, bytes: UnsafeRawBufferPointer, parameters: IndexParameters, layout: PointLayout
    ) -> [Point]? {
        var reader = ByteReader(bytes)
        guard reader.read(UInt32.self) == magic, reader.read(UInt16.self) == version, reader.read(UInt16.self) == 0,
            reader.read(UInt64.self) == parameters.fingerprint, reader.read(UInt32.self) == chunk,
            chunk < UInt32(IndexLimits.chunksMax), let count = reader.read(UInt32.self),
            count <= UInt32(GRAPE_CHUNK_POINTS)
        else { return nil }
        var points: [Point] = []
        points.reserveCapacity(Int(count))
        for _ in 0..<count {
            guard let point = readPoint(&reader, chunk: chunk, parameters: parameters, layout: layout),
                points.last.map({ $0.ordinal < point.ordinal }) ?? true
            else { return nil }
            points.append(point)
        }
        return reader.isAtEnd ? points : nil
    }

    private static func readPoint(
        _ reader: inout ByteReader, chunk: UInt32, parameters: IndexParameters, layout: PointLayout
    ) -> Point? {
        guard let slot = reader.read(UInt16.self), Int32(slot) < GRAPE_CHUNK_POINTS,
            let level = reader.read(UInt8.self), Int(level) <= IndexLimits.levelMax,
            let shard = reader.read(UInt16.self), let version = reader.read(UInt64.self),
            let keyBytes = reader.read(UInt16.self),
            (IndexLimits.keyBytesMin...IndexLimits.keyBytesMax).contains(Int(keyBytes)),
            let key = reader.readBytes(Int(keyBytes))
        else { return nil }
        let ordinal = chunk << UInt32(GRAPE_CHUNK_SHIFT) | UInt32(slot)
        var point = Point(
            ordinal: ordinal, level: Int(level), shard: shard, version: version, key: Array(key), links: [], code: [])
        for current in 0...Int(level) {
            let capacity = current == 0 ? layout.linkCapacity : parameters.m
            guard let count = reader.read(UInt16.self), Int(count) <= capacity else { return nil }
            var links: [UInt32] = []
            for _ in 0..<count {
                guard let link = reader.read(UInt32.self), Int(link) < IndexLimits.ordinalsMax, link != ordinal,
                    !links.contains(link)
                else { return nil }
                links.append(link)
            }
            point.links.append(links)
        }
        guard let code = reader.readBytes(codeBytes(parameters, layout)) else { return nil }
        point.code = Array(code)
        return point
    }
}
