import CVectorKernels
import Synchronization

/// What one walk needs besides the index: beam, visited marks, a batch of candidates, the query in its prepared forms.
///
/// Not thread safe: belongs to whoever took it from the pool.
final class SearchScratch: @unchecked Sendable {
    /// Ordinals of the candidates being scored, and their distances.
    let batch: UnsafeMutablePointer<UInt32>
    let distances: UnsafeMutablePointer<Float>
    /// Neighbours of one point that a walk goes through.
    let between: UnsafeMutablePointer<UInt32>
    static let batchCapacity = max(IndexLimits.scanBatch, 2 * IndexLimits.mMax)

    /// A point is visited if its mark is `epoch`: the marks are cleared once in 255 walks.
    private(set) var visited: UnsafeMutablePointer<UInt8>
    private(set) var visitedCount = 0
    private(set) var epoch: UInt8 = 0

    var beam = Beam()
    let selection = SelectionBuffers()

    /// The query as kernels take it, in floats (`full`) and in bit planes (`coded`).
    let full: UnsafeMutablePointer<grape_query>
    let coded: UnsafeMutablePointer<grape_query>
    private(set) var floats: UnsafeMutablePointer<Float>
    private(set) var rotated: UnsafeMutablePointer<Float>
    private(set) var planes: UnsafeMutablePointer<UInt64>
    private var floatCapacity = 0

    private init() {
        batch = .allocate(capacity: Self.batchCapacity)
        distances = .allocate(capacity: Self.batchCapacity)
        between = .allocate(capacity: 2 * IndexLimits.mMax)
        visited = .allocate(capacity: 1)
        full = .allocate(capacity: 1)
        full.initialize(to: grape_query())
        coded = .allocate(capacity: 1)
        coded.initialize(to: grape_query())
        floats = Self.aligned(Float.self, 16)
        rotated = Self.aligned(Float.self, 16)
        planes = Self.aligned(UInt64.self, 16)
    }

    deinit {
        batch.deallocate()
        distances.deallocate()
        between.deallocate()
        visited.deallocate()
        full.deallocate()
        coded.deallocate()
        floats.deallocate()
        rotated.deallocate()
        planes.deallocate()
        beam.deallocate()
    }

    /// Room for a query of this many floats (a multiple of 16), and for its planes.
    func reserve(floats count: Int) {
        guard floatCapacity < count else { return }
        floats.deallocate()
        rotated.deallocate()
        planes.deallocate()
        floats = Self.aligned(Float.self, count)
        rotated = Self.aligned(Float.self, count + 64)
        planes = Self.aligned(UInt64.self, (count / 64 + 8) * Int(GRAPE_QUERY_PLANES))
        floatCapacity = count
    }

    /// Forgets all visits; ordinals below `count` can be marked.
    func beginVisits(count: Int) {
        if count > visitedCount {
            visited.deallocate()
            visitedCount = count + count / 4
            visited = .allocate(capacity: visitedCount)
            visited.initialize(repeating: 0, count: visitedCount)
            epoch = 0
        }
        epoch &+= 1
        if epoch == 0 {
            visited.update(repeating: 0, count: visitedCount)
            epoch = 1
        }
    }

    private static func aligned<T>(_ type: T.Type, _ count: Int) -> UnsafeMutablePointer<T> {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: count * MemoryLayout<T>.stride, alignment: 64)
        return memory.bindMemory(to: type, capacity: count)
    }

    // One pool a process: collections are many, threads are few.
    private static let pool = Mutex<[SearchScratch]>([])

    /// Lends a scratch area to `body`.
    static func with<Result>(_ body: (SearchScratch) -> Result) -> Result {
        let scratch = pool.withLock { $0.popLast() } ?? SearchScratch()
        defer { pool.withLock { if $0.count < IndexLimits.pooledScratchMax { $0.append(scratch) } } }
        return body(scratch)
    }
}
