import GrapeIndex
import GrapeModel
import Testing

struct CheckpointTests {
    private static let dimension = 16

    /// What storage holds: rows, and the chunks of the checkpoint.
    private struct Store {
        var rows: [Int: (version: UInt64, vector: [Float])] = [:]
        var chunks: [UInt32: [UInt8]] = [:]
        var written = 0

        mutating func save(_ index: CollectionIndex) {
            var changes: [(UInt32, [UInt8])] = []
            index.checkpoint { changes.append(($0, $1)) }
            for (chunk, bytes) in changes { chunks[chunk] = bytes.isEmpty ? nil : bytes }
            written = changes.count
        }

        func load(
            _ parameters: IndexParameters, threads: Int = 1
        ) throws -> (index: CollectionIndex, report: LoadReport) {
            let loader = try CollectionIndex.Loader(parameters: parameters, clock: VisibilityClock())
            for (chunk, bytes) in chunks.sorted(by: { $0.key < $1.key }) {
                _ = loader.add(chunk: chunk, bytes: bytes.span)
            }
            let rows = rows.sorted { $0.key < $1.key }
            Fixture.inParallel(
                (0..<threads).map { thread in
                    {
                        for (index, row) in rows.enumerated() where index % threads == thread {
                            try? loader.join(
                                key: Fixture.key(row.key).span, version: row.value.version, shard: 0,
                                vector: row.value.vector.span)
                        }
                    }
                })
            return loader.finish()
        }
    }

    private func fill(_ count: Int, quantization: IndexParameters.Quantization) throws -> (CollectionIndex, Store) {
        let index = try CollectionIndex(Self.dimension, .euclidean, quantization: quantization, efConstruction: 100)
        var store = Store()
        for (id, vector) in Fixture.clustered(count, dimension: Self.dimension, clusters: 30, seed: 6).enumerated() {
            try index.put(id, vector)
            store.rows[id] = (1, vector)
        }
        index.drainTail(threads: 2)
        return (index, store)
    }

    /// All rows are found, in their versions; the walk is as good as it should be.
    private func expectSound(_ index: CollectionIndex, _ store: Store) throws {
        #expect(index.checkInvariants() == [])
        #expect(index.counts.live == store.rows.count)
        for id in stride(from: 0, to: 9_000, by: 37) {
            #expect(index.version(ofKey: Fixture.key(id).span) == store.rows[id]?.version)
        }
        index.drainTail(threads: 1)
        #expect(index.checkInvariants() == [])
        #expect(index.unreachableCount <= 1)
        let queries = Fixture.clustered(40, dimension: Self.dimension, clusters: 30, seed: 6)
        #expect(SearchTests.recall(index, queries) >= 0.95)
    }

    @Test(arguments: IndexParameters.Quantization.allCases)
    func `a checkpoint and its rows make the same index again`(quantization: IndexParameters.Quantization) throws {
        var (index, store) = try fill(9_000, quantization: quantization)
        #expect(index.hasUnsavedChanges)
        store.save(index)
        #expect(store.written == 3 && !index.hasUnsavedChanges)
        store.save(index)
        #expect(store.written == 0)
        let (loaded, report) = try store.load(index.parameters, threads: 3)
        #expect(report == LoadReport(kept: 9_000, toTail: 0, dropped: 0, chunksRefused: 0))
        #expect(!loaded.hasUnsavedChanges && loaded.counts.tail == 0)
        let query = try #require(store.rows[5]).vector
        #expect(loaded.find(query, limit: 20) == index.find(query, limit: 20))
        try expectSound(loaded, store)
    }

    @Test
    func `only chunks that changed are written, and empty ones deleted`() throws {
        var (index, store) = try fill(9_000, quantization: .none)
        store.save(index)
        for id in 0..<8_192 {
            index.drop(id)
            store.rows[id] = nil
        }
        index.sweep(thorough: true)
        store.save(index)
        #expect(store.chunks.count == 1)
        try expectSound(try store.load(index.parameters).index, store)
    }

    @Test
    func `rows changed since the checkpoint are indexed anew, rows gone are dropped`() throws {
        var (index, store) = try fill(9_000, quantization: .binary)
        store.save(index)
        var generator = SplitMix64(seed: 3)
        for id in 0..<9_000 {
            switch id % 5 {
            case 0: store.rows[id] = nil
            case 1: store.rows[id] = (2, Fixture.vector(Self.dimension, scale: 1, &generator))
            default: break
            }
        }
        for id in 9_000..<9_500 { store.rows[id] = (7, Fixture.vector(Self.dimension, scale: 1, &generator)) }
        let (loaded, report) = try store.load(index.parameters, threads: 2)
        #expect(report.dropped == 3_600 && report.kept + report.toTail == store.rows.count)
        #expect(report.toTail >= 2_300)
        try expectSound(loaded, store)
        for id in stride(from: 1, to: 9_500, by: 250) {
            if let row = store.rows[id] { #expect(loaded.find(row.vector, limit: 1, exact: true) == [id]) }
        }
        store.save(loaded)
        let (again, second) = try store.load(index.parameters)
        #expect(second.kept + second.toTail == store.rows.count && second.toTail < 50)
        try expectSound(again, store)
    }

    @Test
    func `a missing chunk leaves an index that finds everything`() throws {
        var (index, store) = try fill(9_000, quantization: .none)
        store.save(index)
        for missing in UInt32(0)..<3 {
            var partial = store
            partial.chunks[missing] = nil
            let (loaded, report) = try partial.load(index.parameters)
            #expect(report.kept + report.toTail == 9_000 && report.dropped == 0)
            try expectSound(loaded, store)
        }
    }

    @Test
    func `damage at any byte is refused or harmless`() throws {
        var (index, store) = try fill(5_000, quantization: .binary)
        store.save(index)
        var generator = SplitMix64(seed: 8)
        for round in 0..<24 {
            var damaged = store
            let chunk = UInt32.random(in: 0..<2, using: &generator)
            var bytes = try #require(store.chunks[chunk])
            switch round % 4 {
            case 0: bytes.removeLast(Int.random(in: 1...bytes.count, using: &generator))
            case 1: bytes.append(0)
            default:
                for _ in 0..<Int.random(in: 1...40, using: &generator) {
                    let early = Bool.random(using: &generator) ? bytes.count : 200
                    bytes[Int.random(in: 0..<early, using: &generator)] ^= UInt8.random(in: 1...255, using: &generator)
                }
            }
            damaged.chunks[chunk] = bytes
            let (loaded, report) = try damaged.load(index.parameters)
            if round % 4 < 2 { #expect(report.chunksRefused == 1) }
            #expect(report.kept + report.toTail == 5_000)
            #expect(loaded.checkInvariants() == [] && loaded.unreachableCount == 0)
            #expect(loaded.find(try #require(store.rows[9]).vector, limit: 1, exact: true) == [9])
        }
    }

    @Test
    func `chunks of other parameters, places or keys are refused`() throws {
        var (index, store) = try fill(5_000, quantization: .none)
        store.save(index)
        let other = IndexParameters(dimension: Self.dimension, metric: .cosine)
        #expect(try store.load(other).report == LoadReport(kept: 0, toTail: 5_000, dropped: 0, chunksRefused: 2))
        let bytes = try #require(store.chunks[0])
        let loader = try CollectionIndex.Loader(parameters: index.parameters, clock: VisibilityClock())
        let nothing: [UInt8] = []
        let taken = [
            loader.add(chunk: 1, bytes: bytes.span), loader.add(chunk: 0, bytes: bytes.span),
            loader.add(chunk: 0, bytes: bytes.span), loader.add(chunk: .max, bytes: nothing.span),
        ]
        #expect(taken == [false, true, false, false])
        let (loaded, report) = loader.finish()
        #expect(report == LoadReport(kept: 0, toTail: 0, dropped: 4_096, chunksRefused: 3))
        #expect(loaded.counts.live == 0 && loaded.checkInvariants() == [])
        #expect(loaded.find([Float](repeating: 0, count: Self.dimension), limit: 5).isEmpty)
    }

    @Test
    func `a chunk that could not be written is written next time`() throws {
        struct DiskFull: Error {}
        let (index, _) = try fill(5_000, quantization: .none)
        var attempts = 0
        #expect(throws: DiskFull.self) {
            try index.checkpoint { (_, _) throws(DiskFull) in
                attempts += 1
                if attempts == 2 { throw DiskFull() }
            }
        }
        var chunks: [UInt32] = []
        index.checkpoint { chunk, _ in chunks.append(chunk) }
        #expect(chunks == [1])
    }
}
