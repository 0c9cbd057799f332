import CVectorKernels

/// Where the fields of a point lie in a chunk of the arena.
///
/// A chunk has one section a field, and a section one slot a point. Budget a point, in bytes, for m = 16 (unquantised
/// 384 dimensions: 1,706; a code adds 64):
///
///     vector     4 · dimension, padded to whole cache lines of 64      read once a candidate that is scored
///     code       dimension / 8 + 12, padded to whole cache lines       read instead of the vector when quantised
///     links      4 · 2m = 128: two cache lines                          read once a point that is expanded
///     record     32: stamps, version, key, shard, level, lock           read once a hit
///     upper      4: the links above level 0, where there are any        read once a point that is expanded up there
///     in-degree  4: links on level 0 that lead here                     written by inserts and sweeps
///     location   1                                                      written at each step of a point's life
///     dead mark  1: 64 points a line                                    read once a candidate while any point is dead
///
/// A walk of 1,000 candidates over 384 dimensions thus touches 24,000 lines of vectors and 100 of links.
struct PointLayout: Sendable {
    let dimension: Int
    /// Floats in a slot: the dimension, rounded up to whole cache lines.
    let paddedDimension: Int
    let vectorStride: Int
    /// 64-bit words of a code that hold bits.
    let codeWords: Int
    /// Words that kernels read: `codeWords`, rounded up to whole cache lines. Planes of a query are zero beyond.
    let paddedCodeWords: Int
    let codeStride: Int
    let linkCapacity: Int
    let linkStride: Int

    let vectors: Int
    let codes: Int
    let links: Int
    let records: Int
    let uppers: Int
    let inDegrees: Int
    let locations: Int
    let deadMarks: Int
    let chunkBytes: Int

    init(_ parameters: IndexParameters) {
        let line = 64
        func wholeLines(_ bytes: Int) -> Int { (bytes + line - 1) / line * line }
        dimension = parameters.dimension
        vectorStride = wholeLines(dimension * MemoryLayout<Float>.stride)
        paddedDimension = vectorStride / MemoryLayout<Float>.stride
        codeWords = parameters.keepsCodes ? (dimension + 63) / 64 : 0
        paddedCodeWords = wholeLines(codeWords * 8) / 8
        codeStride = codeWords == 0 ? 0 : wholeLines(codeWords * 8 + MemoryLayout<grape_code_trailer>.size)
        linkCapacity = 2 * parameters.m
        linkStride = wholeLines(linkCapacity * MemoryLayout<UInt32>.stride)

        var offset = 0
        func section(_ stride: Int) -> Int {
            defer { offset += stride * Int(GRAPE_CHUNK_POINTS) }
            return offset
        }
        vectors = section(vectorStride)
        codes = section(codeStride)
        links = section(linkStride)
        records = section(MemoryLayout<PointRecord>.stride)
        uppers = section(MemoryLayout<UInt32>.stride)
        inDegrees = section(MemoryLayout<UInt32>.stride)
        locations = section(1)
        deadMarks = section(1)
        chunkBytes = offset
        precondition(MemoryLayout<PointRecord>.stride == 32, "a record is half a cache line")
    }
}

/// What is known of a point besides its vector and links. Its fields are read and written through `PointArena.View`.
struct PointRecord {
    /// Stamp from which the point is visible; 0 before its birth.
    var birth: UInt64
    /// Stamp from which it is no longer visible; `UInt64.max` while it lives.
    var death: UInt64
    /// Raft index of the last change to the vector.
    var version: UInt64
    /// Where the key lies in the `KeyArena`.
    var key: UInt32
    var shard: UInt16
    var level: UInt8
    /// Held while the point's links change.
    var lock: UInt8
}

/// The steps of a point's life, in order. Only a point that is `staged`, `free` or `retired` is on nobody's way.
enum PointLocation: UInt8 {
    /// The ordinal stands for no point.
    case free = 0
    /// Vector in place, invisible.
    case staged = 1
    /// Found by scanning the tail.
    case tail = 2
    /// In the tail still, and being linked into the graph by an index thread.
    case claimed = 3
    case graph = 4
    /// Dead for every pin, and about to be unlinked: nobody links to it any more.
    case doomed = 5
    /// Unlinked; waits until no walk that began before can hold its ordinal.
    case retired = 6
    /// Loaded from a checkpoint; its row has not come yet.
    case loaded = 7
}
