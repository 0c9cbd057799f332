import ArgumentParser
import Foundation
import GrapeIndex
import GrapeModel

/// `grape-bench index`
struct IndexCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "index", abstract: "Builds an index in this process and measures building and searching.",
        discussion: """
            CPU is that of the threads which build or search. Reading the file is left out of all figures; normalising \
            too, as indexes that this one is compared with are given vectors of length 1.
            """)

    @Option(help: ArgumentHelp("Vectors.", valueName: "F.npy"))
    var base: String
    @Option(help: ArgumentHelp("Query vectors.", valueName: "F.npy"))
    var queries: String
    @Option(help: ArgumentHelp("True nearest rows of each query.", valueName: "F.npy"))
    var truth: String
    @Option(help: "Metric; vectors are normalised for cosine.")
    var metric = DistanceMetric.cosine
    @Option(help: "Links of a point on the upper levels; twice as many on the lowest.")
    var m = 16
    @Option(help: "Candidates that an insertion keeps.")
    var efConstruction = 200
    @Option(help: ArgumentHelp("Candidates that a search keeps; one line each.", valueName: "N[,N]"))
    var ef = NumberList([16, 32, 64, 128, 256])
    @Option(help: "Codes that the walk compares: none or binary.")
    var quantization = IndexParameters.Quantization.none
    @Option(help: "Threads that build, and then search.")
    var threads = ProcessInfo.processInfo.activeProcessorCount
    @Option(help: ArgumentHelp("Payloads, a line a row; for filters.", valueName: "F.jsonl[.gz]"))
    var payload: String?
    @Option(
        parsing: .singleValue,
        help: ArgumentHelp("Measured as well: searches under this filter; repeatable.", valueName: "TRUTH.npy|JSON"))
    var filter: [String] = []
    @Option(help: "How often the values of --ef are gone through; the least CPU of each counts.")
    var rounds = 1
    @Option(help: "Ask each query so often instead of measuring for a second (for counting instructions).")
    var passes: Int?
    @Option(
        help: ArgumentHelp(
            "The graph: taken from this file, or built and written to it. Building figures are then those of loading.",
            valueName: "FILE"))
    var graph: String?
    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        try (2...128).require(m, for: "--m")
        try (1...10_000).require(efConstruction, for: "--ef-construction")
        try (1...256).require(threads, for: "--threads")
        try (1...100).require(rounds, for: "--rounds")
    }

    /// Of each value of `ef` the round with the least CPU.
    private func measured(_ search: IndexSearch) -> [SearchFigures] {
        guard passes != 0 else { return [] }
        let all = (0..<rounds).map { _ in ef.values.map { search.run(ef: $0) } }
        return ef.values.indices.compactMap { place in
            all.map { $0[place] }.min { ($0.cpuMicrosecondsPerQuery ?? 0) < ($1.cpuMicrosecondsPerQuery ?? 0) }
        }
    }

    func run() throws {
        let file = try NumPyFile(path: base)
        var vectors = try NumPyFile.vectors(path: queries)
        guard vectors.columns == file.header.columns else {
            throw BenchFailure("\(queries): \(vectors.columns) columns, \(base) has \(file.header.columns)")
        }
        let truth = try Truth(path: truth, queries: vectors.rows)
        if metric == .cosine { try vectors.normalise(name: queries) }
        let parameters = IndexParameters(
            dimension: vectors.columns, metric: metric, m: m, efConstruction: efConstruction, quantization: quantization
        )
        let payloads = try payload.map { try PayloadLines.all(path: $0) } ?? []
        guard filter.isEmpty || payloads.count == file.header.rows else {
            throw BenchFailure("\(payloads.count) payloads, \(base) has \(file.header.rows) rows")
        }
        let (index, build) = try IndexBuild(
            file: file, parameters: parameters, threads: threads, graph: graph.map(GraphFile.init)
        ).run()
        var report = Report()
        report.setting = [
            ("rows", .number(file.header.rows)), ("dimension", .number(vectors.columns)),
            ("metric", .text(metric.name)),
            ("m", .number(m)), ("ef_construction", .number(efConstruction)), ("threads", .number(threads)),
            ("quantization", .text("\(quantization)")),
        ]
        report.build = build
        let search = IndexSearch(index: index, queries: vectors, truth: truth, threads: threads, passes: passes)
        report.points = measured(search)
        for text in filter {
            let filter = try IndexFilter(text, index: index, payloads: payloads, queries: vectors.rows)
            var search = search
            search.filter = filter
            report.filters.append(
                FilterFigures(filter: filter.json, rowsMatching: filter.matching, points: measured(search)))
        }
        report.memoryBytes = index.memory.totalBytes
        print(json ? report.json : report.table)
    }
}

extension IndexParameters.Quantization: ExpressibleByArgument {
    package init?(argument: String) {
        guard let found = Self.allCases.first(where: { "\($0)" == argument }) else { return nil }
        self = found
    }

    package static var allValueStrings: [String] { allCases.map { "\($0)" } }
    package var defaultValueDescription: String { "\(self)" }
}
