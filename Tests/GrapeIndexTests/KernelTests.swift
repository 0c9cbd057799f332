import CVectorKernels
import GrapeIndex
import Testing

/// Every instruction set against sums in double precision.
struct KernelTests {
    /// One chunk of slots in memory of its own.
    private final class Chunk {
        let base: UnsafeMutableRawPointer
        let table: UnsafeMutablePointer<UnsafePointer<UInt8>?>
        let query: UnsafeMutableRawPointer

        init(bytes: Int, queryBytes: Int) {
            base = .allocate(byteCount: bytes, alignment: 64)
            base.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
            query = .allocate(byteCount: queryBytes, alignment: 64)
            query.initializeMemory(as: UInt8.self, repeating: 0, count: queryBytes)
            table = .allocate(capacity: 1)
            table.initialize(to: UnsafePointer(base.assumingMemoryBound(to: UInt8.self)))
        }

        deinit {
            base.deallocate()
            query.deallocate()
            table.deallocate()
        }
    }

    private static var sets: [grape_kernels] {
        (0..<Int(GRAPE_KERNEL_SETS)).compactMap { grape_kernels_at($0)?.pointee }
    }

    private static let dimensions = [
        1, 2, 3, 7, 15, 16, 17, 31, 33, 63, 64, 65, 100, 127, 384, 511, 768, 1_000, 65_536,
    ]

    private func floatChunk(
        dimension: Int, count: Int, scale: Float, generator: inout SplitMix64
    ) -> (Chunk, grape_query, [[Float]], [Float]) {
        let padded = (dimension + 15) / 16 * 16
        let chunk = Chunk(bytes: count * padded * 4, queryBytes: padded * 4)
        let vectors = (0..<count).map { _ in Fixture.vector(dimension, scale: scale, &generator) }
        let query = Fixture.vector(dimension, scale: scale, &generator)
        for (index, vector) in vectors.enumerated() {
            let slot = (chunk.base + index * padded * 4).assumingMemoryBound(to: Float.self)
            for (position, value) in vector.enumerated() { slot[position] = value }
        }
        for (position, value) in query.enumerated() {
            chunk.query.assumingMemoryBound(to: Float.self)[position] = value
        }
        var description = grape_query()
        description.query = UnsafeRawPointer(chunk.query)
        description.chunks = UnsafePointer(chunk.table)
        description.stride = padded * 4
        description.length = padded
        return (chunk, description, vectors, query)
    }

    @Test(arguments: Self.dimensions)
    func `float kernels agree with sums in double precision`(dimension: Int) {
        var generator = SplitMix64(seed: UInt64(dimension))
        for _ in 0..<(dimension > 1_000 ? 2 : 60) {
            let count = Int.random(in: 1...9, using: &generator)
            let (chunk, description, vectors, query) = floatChunk(
                dimension: dimension, count: count, scale: 1, generator: &generator)
            let ordinals = (0..<count).map { UInt32($0) }.shuffled(using: &generator)
            for kernels in Self.sets {
                for metric in NaiveMetric.allCases {
                    let found = run(metric.kernel(of: kernels), description, ordinals)
                    for (index, ordinal) in ordinals.enumerated() {
                        let expected = metric.distance(vectors[Int(ordinal)], query)
                        let tolerance = 1e-5 * Double(dimension).squareRoot() + 1e-5 * abs(expected)
                        #expect(
                            abs(Double(found[index]) - expected) <= tolerance,
                            "\(String(cString: kernels.name)) \(metric) in \(dimension) dimensions")
                    }
                }
            }
            withExtendedLifetime(chunk) {}
        }
    }

    @Test
    func `distances stay finite whatever the vectors hold`() {
        var generator = SplitMix64(seed: 3)
        for scale: Float in [1e19, 1e30, .greatestFiniteMagnitude / 2] {
            let (chunk, description, _, _) = floatChunk(
                dimension: 200, count: 16, scale: scale, generator: &generator)
            for kernels in Self.sets {
                for metric in NaiveMetric.allCases {
                    let found = run(metric.kernel(of: kernels), description, (0..<16).map { UInt32($0) })
                    #expect(found.allSatisfy { $0.isFinite }, "\(String(cString: kernels.name)) \(metric) \(scale)")
                }
            }
            withExtendedLifetime(chunk) {}
        }
    }

    @Test(arguments: [1, 64, 65, 100, 384, 448, 449, 512, 513, 768, 1_024, 4_000])
    func `code kernels count matching bits`(dimension: Int) {
        var generator = SplitMix64(seed: UInt64(dimension))
        let words = (dimension + 63) / 64
        let padded = (words + 7) / 8 * 8
        let stride = (words * 8 + 12 + 63) / 64 * 64
        let chunk = Chunk(bytes: 12 * stride, queryBytes: padded * 8 * 4)
        let planes = chunk.query.assumingMemoryBound(to: UInt64.self)
        for plane in 0..<4 { for word in 0..<words { planes[plane * padded + word] = generator.next() } }
        var expected: [Float] = []
        for index in 0..<12 {
            let slot = chunk.base + index * stride
            var sum: UInt64 = 0
            var ones: UInt32 = 0
            for word in 0..<words {
                let bits = generator.next()
                ones += UInt32(bits.nonzeroBitCount)
                slot.storeBytes(of: bits, toByteOffset: word * 8, as: UInt64.self)
                for plane in 0..<4 {
                    sum += UInt64((bits & planes[plane * padded + word]).nonzeroBitCount) << UInt64(plane)
                }
            }
            let trailer = grape_code_trailer(factor: 0.5, squared_norm: Float(index), ones: ones)
            (slot + words * 8).assumingMemoryBound(to: grape_code_trailer.self).pointee = trailer
            expected.append(-2 * 0.5 * (0.25 * Float(sum) - 0.5 * Float(ones) + 3) + Float(index) + 7)
        }
        var description = grape_query()
        description.query = UnsafeRawPointer(chunk.query)
        description.chunks = UnsafePointer(chunk.table)
        description.stride = stride
        description.length = padded
        description.trailer = words * 8
        (description.plane_scale, description.ones_scale, description.constant) = (0.25, -0.5, 3)
        (description.product_scale, description.norm_scale, description.offset) = (-2, 1, 7)
        for kernels in Self.sets {
            let found = run(kernels.codes, description, (0..<12).map { UInt32($0) })
            for (value, wanted) in zip(found, expected) {
                #expect(abs(value - wanted) <= 1e-4 * abs(wanted) + 1e-3, "\(String(cString: kernels.name))")
            }
            // To the bit, whatever else is in the batch and however many there are.
            for first in 0..<12 {
                let some = run(kernels.codes, description, (UInt32(first)..<12).map { $0 })
                #expect(some == Array(found[first...]), "\(String(cString: kernels.name)) from \(first)")
            }
        }
        withExtendedLifetime(chunk) {}
    }

    @Test
    func `a query is cut to the nearest steps, and what is no number to the lowest`() {
        var generator = SplitMix64(seed: 8)
        for words in [1, 6, 12] {
            var values = Fixture.vector(words * 64, scale: 1, &generator)
            values[3] = .nan
            values[5] = .infinity
            values[7] = -.infinity
            let length = (words + 7) / 8 * 8
            let (low, step): (Float, Float) = (-0.75, 0.1)
            var planes = [UInt64](repeating: 0, count: 4 * length)
            grape_cut(values, words, low, step, length, &planes)
            for (index, value) in values.enumerated() {
                var place = 0
                for plane in 0..<4 {
                    place |= Int(planes[plane * length + index / 64] >> UInt64(index % 64) & 1) << plane
                }
                let exact = value.isNaN ? 0 : min(max((value - low) / step, 0), 15)
                #expect(abs(Float(place) - exact) <= 0.501, "value \(value) at \(index) became step \(place)")
            }
        }
    }

    @Test(arguments: [1, 7, 8, 63, 384, 1_000])
    func `lengths are summed in double precision`(count: Int) {
        var generator = SplitMix64(seed: UInt64(count))
        let values = Fixture.vector(count, scale: 1e30, &generator)
        let expected = values.reduce(0.0) { $0 + Double($1) * Double($1) }
        #expect(abs(grape_squared_length(values, count) - expected) <= 1e-12 * expected)
        var scaled = [Float](repeating: 0, count: count)
        grape_scaled(values, count, 1e-30, &scaled)
        for (one, other) in zip(values, scaled) { #expect(other == Float(Double(one) * 1e-30)) }
    }

    @Test
    func `gathering leaves out empty slots, visited points and points that are too young`() {
        let none = GRAPE_NO_ORDINAL
        let links: [UInt32] = [5, none, 3, 5, 900, 7, none, 1]
        var visited = [UInt8](repeating: 0, count: 100)
        visited[3] = 9
        var batch = [UInt32](repeating: 0, count: 16)
        let count = grape_gather_unvisited(links, links.count, &visited, 100, 9, &batch)
        #expect(Array(batch[..<count]) == [5, 7, 1])
        #expect(visited[5] == 9 && visited[7] == 9 && visited[1] == 9 && visited[0] == 0)
    }

    @Test
    func `the Walsh-Hadamard transform undoes itself`() {
        var generator = SplitMix64(seed: 1)
        for count in [1, 2, 64, 1_024] {
            let values = Fixture.vector(count, scale: 1, &generator)
            var twice = values
            grape_hadamard(&twice, count)
            grape_hadamard(&twice, count)
            for (value, original) in zip(twice, values) { #expect(abs(value / Float(count) - original) < 1e-4) }
        }
    }

    private func run(_ kernel: grape_score?, _ description: grape_query, _ ordinals: [UInt32]) -> [Float] {
        var distances = [Float](repeating: .nan, count: ordinals.count)
        withUnsafePointer(to: description) { kernel?($0, ordinals, ordinals.count, &distances) }
        return distances
    }
}

extension NaiveMetric {
    func kernel(of kernels: grape_kernels) -> grape_score? {
        switch self {
        case .dot: kernels.negated_dot
        case .euclidean: kernels.squared_euclidean
        case .manhattan: kernels.manhattan
        }
    }
}
