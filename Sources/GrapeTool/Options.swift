import ArgumentParser
import Foundation

/// The node of a running cluster that is asked.
struct EndpointOptions: ParsableArguments {
    @Option(name: .long, help: ArgumentHelp("REST port of any node of a running cluster.", valueName: "url"))
    var endpoint: String?

    @Option(
        name: .long,
        help: ArgumentHelp("Key for a cluster with [auth]; else the environment's GRAPE_API_KEY.", valueName: "key"))
    var apiKey: String?

    @Option(
        name: .long,
        help: ArgumentHelp("PEM file of the authority that signed the nodes' certificates.", valueName: "file"))
    var caFile: String?

    var key: String? { apiKey ?? ProcessInfo.processInfo.environment["GRAPE_API_KEY"] }
}

/// Either a running cluster or a data directory.
struct PlaceOptions: ParsableArguments {
    @OptionGroup var cluster: EndpointOptions

    @Option(name: .long, help: ArgumentHelp("A data directory that no server has open.", valueName: "directory"))
    var dataDir: String?

    func validate() throws {
        guard (cluster.endpoint == nil) != (dataDir == nil) else {
            throw ValidationError("give one of --endpoint and --data-dir")
        }
    }
}

struct JSONOption: ParsableArguments {
    @Flag(name: .long, help: "Print one JSON object.")
    var json = false
}
