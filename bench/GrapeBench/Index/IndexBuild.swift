import GrapeIndex
import GrapeModel

/// Puts all vectors of a file into a new index. Keys are row numbers, eight bytes each, the highest first.
struct IndexBuild {
    let file: NumPyFile
    let parameters: IndexParameters
    let threads: Int
    /// Holds the graph if it was built before; else it is written.
    var graph: GraphFile?

    /// Rows read and made visible at once.
    private static let blockRows = 8_192

    func run() throws -> (index: CollectionIndex, figures: BuildFigures) {
        if let graph, graph.exists { return try loaded(from: graph) }
        let (index, figures, origin) = try built()
        try graph?.save(index, origin: origin)
        return (index, figures)
    }

    /// What the file and the parameters make a graph of; the vectors are added as they are read.
    private var origin: GraphFile.Origin {
        GraphFile.Origin(rows: file.header.rows, efConstruction: parameters.efConstruction)
    }

    /// Takes the graph from a file: the figures are those of loading.
    private func loaded(from graph: GraphFile) throws -> (index: CollectionIndex, figures: BuildFigures) {
        let loader = try CollectionIndex.Loader(parameters: parameters, clock: VisibilityClock())
        let started = (wall: ContinuousClock.now, cpu: CPUClock.process)
        let found = try graph.load(into: loader)
        var expected = origin
        while var block = try file.nextBlock(rowsMax: Self.blockRows) {
            if parameters.metric == .cosine { try block.normalise(name: file.name) }
            let values = block.values.span
            expected.digest.add(values)
            for row in 0..<block.rows {
                try loader.join(
                    key: RowKey.bytes(block.firstRow + row).span, version: 1, shard: 0,
                    vector: values.extracting(row * block.columns..<(row + 1) * block.columns))
            }
        }
        guard found == expected else { throw BenchFailure("\(graph.path): the graph of \(found), not of \(expected)") }
        let (index, report) = loader.finish()
        guard report.kept == file.header.rows else {
            throw BenchFailure("\(graph.path): holds \(report.kept) of the \(file.header.rows) points of \(file.name)")
        }
        return (index, figures(since: started.wall, cpu: CPUClock.process - started.cpu))
    }

    private func figures(since started: ContinuousClock.Instant, cpu: UInt64) -> BuildFigures {
        let seconds = (ContinuousClock.now - started).seconds
        return BuildFigures(
            seconds: seconds, cpuSeconds: Double(cpu) / 1e9, pointsPerSecond: Double(file.header.rows) / seconds)
    }

    /// The clocks stand still while the file is read.
    private func built() throws -> (index: CollectionIndex, figures: BuildFigures, origin: GraphFile.Origin) {
        let index = try CollectionIndex(parameters: parameters, clock: VisibilityClock())
        var progress = Progress(total: file.header.rows)
        var origin = origin
        var wall = Duration.zero
        var cpu: UInt64 = 0
        func measured(_ body: () throws -> Void) rethrows {
            let started = (wall: ContinuousClock.now, cpu: CPUClock.process)
            try body()
            wall += ContinuousClock.now - started.wall
            cpu += CPUClock.process - started.cpu
        }
        while var block = try file.nextBlock(rowsMax: Self.blockRows) {
            if parameters.metric == .cosine { try block.normalise(name: file.name) }
            origin.digest.add(block.values.span)
            try measured {
                try add(block, to: index)
                index.drainTail(threads: threads)
            }
            progress.show(done: block.firstRow + block.rows)
        }
        let figures = BuildFigures(
            seconds: wall.seconds, cpuSeconds: Double(cpu) / 1e9,
            pointsPerSecond: Double(file.header.rows) / wall.seconds)
        return (index, figures, origin)
    }

    private func add(_ block: VectorBlock, to index: CollectionIndex) throws {
        let values = block.values.span
        var staged: [Ordinal] = []
        staged.reserveCapacity(block.rows)
        for row in 0..<block.rows {
            let key = RowKey.bytes(block.firstRow + row)
            let vector = values.extracting(row * block.columns..<(row + 1) * block.columns)
            staged.append(try index.stage(key: key.span, version: 1, shard: 0, vector: vector))
        }
        index.clock.publish { stamp in
            for ordinal in staged { index.birth(ordinal, at: stamp) }
        }
    }
}

/// The key of a row's point.
enum RowKey {
    static func bytes(_ row: Int) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: row >> (56 - 8 * $0)) }
    }

    static func row(_ key: [UInt8]) -> Int {
        key.reduce(0) { $0 << 8 | Int($1) }
    }
}
