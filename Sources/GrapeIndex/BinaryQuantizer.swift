import CVectorKernels
import GrapeModel

/// One bit a dimension, in the manner of RaBitQ (Gao and Long, SIGMOD 2024), without centring.
///
/// A vector is rotated at random and each coordinate cut to its sign. With signs s, the product of the vector x with a
/// query q is estimated as ⟨q, s⟩ · ‖x‖² / ⟨x, s⟩, both rotated. Only the stored side is cut to one bit: the query
/// keeps four bits a dimension, as bit planes, so that ⟨q, s⟩ is four rounds of AND and population count.
///
/// The rotation is `rounds` times: random signs, then a Walsh-Hadamard transform of the first 2^k coordinates, random
/// signs, then one of the last 2^k (2^k being the largest power of two in the padded dimension). Every step is a
/// rotation, so lengths and products are kept; a dense random matrix estimates no better and costs d² instead of d ·
/// log d.
///
/// Departs from the paper in rounding the query to the nearest step instead of at random.
struct BinaryQuantizer: Sendable {
    private static let rounds = 3
    private static let steps = Float((1 << GRAPE_QUERY_PLANES) - 1)

    private let layout: PointLayout
    private let metric: DistanceMetric
    /// Dimensions after padding to whole words.
    private let width: Int
    private let block: Int
    /// One sign bit a coordinate and transform.
    private let signs: [UInt64]

    init(parameters: IndexParameters, layout: PointLayout) {
        self.layout = layout
        metric = parameters.metric
        width = layout.codeWords * 64
        block = width == 0 ? 0 : 1 << (Int.bitWidth - 1 - width.leadingZeroBitCount)
        var generator = SplitMix64(seed: parameters.seed ^ 0x726F_7461_7465)
        signs = (0..<layout.codeWords * 2 * Self.rounds).map { _ in generator.next() }
    }

    /// Writes the code of a stored vector; `scratch` has `width` floats.
    func encode(_ vector: UnsafePointer<Float>, to code: UnsafeMutableRawPointer, scratch: UnsafeMutablePointer<Float>)
    {
        rotate(vector, to: scratch)
        var squaredNorm: Float = 0
        var absoluteSum: Float = 0
        var ones: UInt32 = 0
        for word in 0..<layout.codeWords {
            var bits: UInt64 = 0
            for bit in 0..<64 {
                let value = scratch[word * 64 + bit]
                squaredNorm += value * value
                absoluteSum += abs(value)
                bits |= (value > 0 ? 1 : 0) << UInt64(bit)
            }
            ones += UInt32(bits.nonzeroBitCount)
            code.storeBytes(of: bits, toByteOffset: word * 8, as: UInt64.self)
        }
        let factor = absoluteSum > 0 ? squaredNorm / absoluteSum : 0
        let trailer = (code + layout.codeWords * 8).assumingMemoryBound(to: grape_code_trailer.self)
        trailer.pointee = grape_code_trailer(
            factor: factor.isFinite ? factor : .greatestFiniteMagnitude,
            squared_norm: squaredNorm.isFinite ? squaredNorm : .greatestFiniteMagnitude, ones: ones)
    }

    /// Cuts a query to bit planes and describes it to the kernels.
    func prepare(_ query: UnsafePointer<Float>, against points: PointArena.View, scratch: SearchScratch) {
        let rotated = scratch.rotated
        rotate(query, to: rotated)
        var low = rotated[0]
        var high = rotated[0]
        var sum: Float = 0
        var squaredNorm: Float = 0
        for index in 0..<width {
            low = min(low, rotated[index])
            high = max(high, rotated[index])
            sum += rotated[index]
            squaredNorm += rotated[index] * rotated[index]
        }
        let step = max((high - low) / Self.steps, .leastNormalMagnitude)
        let length = layout.paddedCodeWords
        scratch.planes.update(repeating: 0, count: length * Int(GRAPE_QUERY_PLANES))
        grape_cut(rotated, layout.codeWords, low, step, length, scratch.planes)
        var description = grape_query()
        description.query = UnsafeRawPointer(scratch.planes)
        description.chunks = UnsafePointer(points.chunks)
        description.section = layout.codes
        description.stride = layout.codeStride
        description.length = layout.paddedCodeWords
        description.trailer = layout.codeWords * 8
        description.plane_scale = 2 * step
        description.ones_scale = 2 * low
        description.constant = -sum
        description.product_scale = metric == .euclidean ? -2 : -1
        description.norm_scale = metric == .euclidean ? 1 : 0
        description.squared_norm = squaredNorm
        description.offset = metric == .euclidean ? squaredNorm : 0
        scratch.coded.pointee = description
    }

    /// Rotates a vector; coordinates beyond its dimension start as zero.
    func rotate(_ vector: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>) {
        target.update(from: vector, count: layout.dimension)
        (target + layout.dimension).update(repeating: 0, count: width - layout.dimension)
        let scale = 1 / Float(block).squareRoot()
        for transform in 0..<2 * Self.rounds {
            let start = transform & 1 == 0 ? 0 : width - block
            flip(target, transform: transform, scale: scale, from: start)
            grape_hadamard(target + start, block)
        }
    }

    /// Random signs for all coordinates; those that are transformed next are scaled as well.
    private func flip(_ target: UnsafeMutablePointer<Float>, transform: Int, scale: Float, from start: Int) {
        signs.withUnsafeBufferPointer { signs in
            for word in 0..<layout.codeWords {
                let bits = signs[transform * layout.codeWords + word]
                let first = word * 64
                // The transformed block starts and ends on whole words.
                let factor = first >= start && first < start + block ? scale : 1
                for bit in 0..<64 {
                    let sign: UInt32 = UInt32(truncatingIfNeeded: bits >> UInt64(bit) & 1) << 31
                    target[first + bit] = Float(bitPattern: target[first + bit].bitPattern ^ sign) * factor
                }
            }
        }
    }
}
