import GrapeIndex
import GrapeModel

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The distances of the kernels, written down plainly.
enum NaiveMetric: CaseIterable {
    case dot, euclidean, manhattan

    func distance(_ first: [Float], _ second: [Float]) -> Double {
        zip(first, second).reduce(0) { sum, pair in
            let (a, b) = (Double(pair.0), Double(pair.1))
            return switch self {
            case .dot: sum - a * b
            case .euclidean: sum + (a - b) * (a - b)
            case .manhattan: sum + abs(a - b)
            }
        }
    }
}

enum Fixture {
    static func vector(_ dimension: Int, scale: Float, _ generator: inout SplitMix64) -> [Float] {
        (0..<dimension).map { _ in Float.random(in: -1...1, using: &generator) * scale }
    }

    /// Vectors around random centres, as real embeddings are.
    static func clustered(_ count: Int, dimension: Int, clusters: Int, seed: UInt64) -> [[Float]] {
        var generator = SplitMix64(seed: seed)
        let centres = (0..<clusters).map { _ in vector(dimension, scale: 1, &generator) }
        return (0..<count).map { _ in
            let centre = centres[Int.random(in: 0..<clusters, using: &generator)]
            return centre.map { $0 + Float.random(in: -0.6...0.6, using: &generator) }
        }
    }

    /// The key of an integer id: a tag and eight bytes.
    static func key(_ id: Int) -> [UInt8] {
        [1] + (0..<8).map { UInt8(truncatingIfNeeded: id >> (56 - 8 * $0)) }
    }

    static func id(_ key: [UInt8]) -> Int { key.dropFirst().reduce(0) { $0 << 8 | Int($1) } }

    static func score(_ metric: DistanceMetric, _ first: [Float], _ second: [Float]) -> Double {
        switch metric {
        case .dotProduct: -NaiveMetric.dot.distance(first, second)
        case .cosine:
            -NaiveMetric.dot.distance(first, second)
                / max(
                    (NaiveMetric.dot.distance(first, first) * NaiveMetric.dot.distance(second, second)).squareRoot(),
                    1e-300)
        case .euclidean: NaiveMetric.euclidean.distance(first, second).squareRoot()
        case .manhattan: NaiveMetric.manhattan.distance(first, second)
        }
    }

    /// Ids of the best vectors, by looking at all.
    static func best(_ limit: Int, of vectors: [Int: [Float]], to query: [Float], metric: DistanceMetric) -> [Int] {
        let scored = vectors.map { (id: $0.key, score: score(metric, $0.value, query)) }
        let sorted = scored.sorted { metric.higherIsBetter ? $0.score > $1.score : $0.score < $1.score }
        return sorted.prefix(limit).map(\.id)
    }

    /// Runs each body on a thread of its own and waits for all.
    static func inParallel(_ bodies: [@Sendable () -> Void]) {
        final class Box: Sendable {
            let body: @Sendable () -> Void
            init(_ body: @escaping @Sendable () -> Void) { self.body = body }
        }
        let threads = bodies.map { body in
            var thread = pthread_t(bitPattern: 0)
            pthread_create(
                &thread, nil,
                { @Sendable context in
                    if let context { Unmanaged<Box>.fromOpaque(context).takeRetainedValue().body() }
                    return nil
                }, Unmanaged.passRetained(Box(body)).toOpaque())
            return thread
        }
        for thread in threads { pthread_join(thread, nil) }
    }
}

/// Asks a closure; remembers how often each point was asked about.
struct ClosureFilter: OrdinalFilter {
    let matches: (Ordinal) -> Bool
    var asked: [Ordinal: Int] = [:]

    init(_ matches: @escaping (Ordinal) -> Bool) {
        self.matches = matches
    }

    mutating func evaluate(_ ordinals: Span<Ordinal>, into verdicts: inout [Bool]) {
        for index in 0..<ordinals.count {
            asked[ordinals[index], default: 0] += 1
            verdicts.append(matches(ordinals[index]))
        }
    }
}

extension CollectionIndex {
    convenience init(
        _ dimension: Int, _ metric: DistanceMetric = .cosine, quantization: IndexParameters.Quantization = .none,
        m: Int = 16, efConstruction: Int = 200, clock: VisibilityClock = VisibilityClock()
    ) throws {
        try self.init(
            parameters: IndexParameters(
                dimension: dimension, metric: metric, m: m, efConstruction: efConstruction, quantization: quantization),
            clock: clock)
    }

    /// Stages and births one point.
    @discardableResult
    func put(_ id: Int, _ vector: [Float], version: UInt64 = 1) throws -> Ordinal {
        let ordinal = try stage(key: Fixture.key(id).span, version: version, shard: 0, vector: vector.span)
        clock.publish { birth(ordinal, at: $0) }
        return ordinal
    }

    @discardableResult
    func drop(_ id: Int) -> Bool { clock.publish { kill(key: Fixture.key(id).span, at: $0) } }

    /// Ids of the hits.
    func find(_ query: [Float], limit: Int, ef: Int = 100, exact: Bool = false) -> [Int] {
        let pin = clock.pin()
        return withExtendedLifetime(pin) {
            search(query.span, limit: limit, ef: ef, exact: exact, pin: pin).map { Fixture.id(key(of: $0.ordinal)) }
        }
    }
}
