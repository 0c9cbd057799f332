import ArgumentParser
import Foundation
import GrapeModel
import NIOPosix

/// `grape-bench load`
struct LoadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load", abstract: "Loads vectors into servers and measures how fast that goes.",
        discussion: "Row numbers become ids. The exit status is 1 if a batch failed.")

    @Option(help: ArgumentHelp("Servers, http://host:port; clients are spread over them.", valueName: "U[,U]"))
    var endpoint: EndpointList
    @Option(help: ArgumentHelp("Vectors.", valueName: "F.npy"))
    var base: String
    @Option(help: ArgumentHelp("Payloads: line i belongs to row i.", valueName: "F.jsonl.gz"))
    var payload: String?
    @Option(help: "Collection to load into, made if it doesn't exist; the collection default otherwise.")
    var collection: String?
    @Option(help: "Points in one request.")
    var batch = 100
    @Option(help: "Requests under way at once.")
    var clients = 8
    @Option(help: "Points a second, sent when due, however long answers take; as many as there can be otherwise.")
    var rate: Double?
    @Option(help: "Points to load, from the first row on; all otherwise.")
    var rows: Int?
    @Option(name: .customLong("protocol"), help: "How servers are spoken to.")
    var wireProtocol = WireProtocol.rest
    @Option(help: "Metric of a collection that is made; vectors are normalised for cosine.")
    var metric = DistanceMetric.cosine
    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        try (1...10_000).require(batch, for: "--batch")
        try (1...1_000).require(clients, for: "--clients")
        if let rate { try (0.001...1e9).require(rate, for: "--rate") }
        if let rows { try (1...Int.max).require(rows, for: "--rows") }
    }

    func run() async throws {
        let source = try BatchSource(
            base: base, payload: payload, batchSize: batch, metric: metric, wire: wireProtocol,
            collection: collection, rowsMax: rows)
        let header = await source.header
        _ = try await PersistentClient.reachable(
            of: endpoint.endpoints, on: MultiThreadedEventLoopGroup.singleton.next())
        let rest = try await RESTEndpoints.of(endpoint.endpoints, wireProtocol)
        if let collection {
            let name = try CollectionPath.escaped(collection)
            try await CollectionSetup(name: name, dimension: header.columns, metric: metric).run(at: rest[0])
        }
        let load = LoadRun(
            source: source, points: source.rows, endpoints: endpoint.endpoints,
            path: wireProtocol == .grpc ? GRPCPath.upsertBatch : try CollectionPath.vectors(collection) + "/batch",
            clients: clients, wire: wireProtocol, batchRate: rate.map { $0 / Double(batch) })
        let (figures, firstError) = try await load.run()
        var report = Report()
        report.setting = [
            ("rows", .number(source.rows)), ("dimension", .number(header.columns)), ("batch", .number(batch)),
            ("clients", .number(clients)), ("protocol", .text(wireProtocol.rawValue)),
        ]
        report.load = figures
        report.memoryBytes = await ServerMemory.bytes(of: rest)
        print(json ? report.json : report.table)
        if let firstError {
            FileHandle.standardError.write(
                Data("Error: \(figures.errors) batches failed, the first with: \(firstError)\n".utf8))
            throw ExitCode.failure
        }
    }
}
