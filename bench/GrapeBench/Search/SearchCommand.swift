import ArgumentParser
import Foundation
import GrapeModel
import NIOPosix

/// `grape-bench search`
struct SearchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "search", abstract: "Searches servers and measures speed and recall.",
        discussion: """
            One line a value of ef. CPU is that of the server's process, known if it runs on this machine. \
            The exit status is 1 if a search failed.
            """)

    @Option(help: ArgumentHelp("Servers, http://host:port; clients are spread over them.", valueName: "U[,U]"))
    var endpoint: EndpointList
    @Option(help: ArgumentHelp("Query vectors.", valueName: "F.npy"))
    var queries: String
    @Option(help: ArgumentHelp("True nearest rows of each query.", valueName: "F.npy"))
    var truth: String
    @Option(help: ArgumentHelp("Candidates that a search keeps.", valueName: "N[,N]"))
    var ef = NumberList([100])
    @Option(help: "Results of a search, at least 10.")
    var limit = 10
    @Option(help: "Searches under way at once.")
    var clients = 8
    @Option(help: "Seconds for each value of ef.")
    var duration = 10
    @Option(help: "Searches a second, sent when due, however long answers take; as many as there can be otherwise.")
    var rate: Double?
    @Option(name: .customLong("protocol"), help: "How servers are spoken to.")
    var wireProtocol = WireProtocol.rest
    @Option(help: "strong or eventual.")
    var consistency = Consistency.strong
    @Option(help: "Collection to search; the collection default otherwise.")
    var collection: String?
    @Option(help: "Metric of the collection; queries are normalised for cosine.")
    var metric = DistanceMetric.cosine
    @Option(help: ArgumentHelp("A filter sent with each search; the truth has to be filtered too.", valueName: "JSON"))
    var filter: String?
    @Flag(help: "Measure exact search; --ef is ignored.")
    var exact = false
    @Flag(help: "Ask for payloads, too.")
    var withPayload = false
    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        try (Truth.depth...10_000).require(limit, for: "--limit")
        try (1...10_000).require(clients, for: "--clients")
        try (1...86_400).require(duration, for: "--duration")
        if let rate { try (0.001...1e9).require(rate, for: "--rate") }
    }

    func run() async throws {
        var vectors = try NumPyFile.vectors(path: queries)
        let truth = try Truth(path: truth, queries: vectors.rows)
        if metric == .cosine { try vectors.normalise(name: queries) }
        _ = try await PersistentClient.reachable(
            of: endpoint.endpoints, on: MultiThreadedEventLoopGroup.singleton.next())
        var report = Report()
        report.setting = [
            ("queries", .number(vectors.rows)), ("dimension", .number(vectors.columns)), ("limit", .number(limit)),
            ("clients", .number(clients)), ("protocol", .text(wireProtocol.rawValue)),
            ("consistency", .text(consistency.rawValue)),
        ]
        var firstError: String?
        for ef in exact ? [nil] : ef.values.map({ $0 }) {
            let outcome = try await measure(ef: ef, vectors: vectors)
            report.points.append(try figures(outcome, ef: ef, truth: truth))
            firstError = firstError ?? outcome.firstError
        }
        report.memoryBytes = await ServerMemory.bytes(of: try RESTEndpoints.of(endpoint.endpoints, wireProtocol))
        print(json ? report.json : report.table)
        if let firstError {
            FileHandle.standardError.write(Data("Error: searches failed, the first with: \(firstError)\n".utf8))
            throw ExitCode.failure
        }
    }

    private func measure(ef: Int?, vectors: VectorBlock) async throws -> SearchRun.Outcome {
        let requests = SearchRequestBodies(
            limit: limit, ef: ef, consistency: consistency, withPayload: withPayload,
            filter: filter.map { Array($0.utf8) }, wire: wireProtocol, collection: collection)
        let run = SearchRun(
            endpoints: endpoint.endpoints,
            path: wireProtocol == .grpc ? GRPCPath.search : try CollectionPath.vectors(collection) + "/search",
            bodies: try requests.bodies(for: vectors), wire: wireProtocol, rate: rate)
        let warmUp = Duration.milliseconds(min(duration * 100, 1_000))
        return try await run.run(clients: clients, warmUp: warmUp, duration: .seconds(duration))
    }

    private func figures(_ outcome: SearchRun.Outcome, ef: Int?, truth: Truth) throws -> SearchFigures {
        guard !outcome.found.isEmpty else {
            throw BenchFailure("no search was answered; the first failed with: \(outcome.firstError ?? "no answer")")
        }
        let recall = outcome.found.reduce(0) { $0 + truth.recall(of: $1.value, query: $1.key) }
        let count = Double(outcome.latencies.count)
        return SearchFigures(
            ef: ef, recall: recall / Double(outcome.found.count), queriesPerSecond: count / outcome.seconds,
            cpuMicrosecondsPerQuery: outcome.serverCPUSeconds.map { $0 * 1e6 / count },
            clientCPUMicrosecondsPerQuery: outcome.clientCPUSeconds * 1e6 / count,
            latency: outcome.latencies.quantiles, errors: outcome.errors)
    }
}
