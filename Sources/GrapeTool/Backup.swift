import ArgumentParser
import Foundation
import GrapeCluster
import GrapeConfiguration
import GrapeModel
import GrapeStorage
import Logging

struct Backup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes a backup of a running cluster, or of the data directory of a node that does not run.")

    @OptionGroup var place: PlaceOptions
    @OptionGroup var form: JSONOption

    @Option(name: .long, help: ArgumentHelp("The archive to write (.tar.gz).", valueName: "file"))
    var output: String

    func run() async throws {
        let (place, json, file) = (place, form.json, output)
        try await tool(json: json) {
            let info =
                if let directory = place.dataDir {
                    try await Self.backUp(directory, to: file)
                } else {
                    try await Self.backUp(place.cluster, to: file)
                }
            Output(json: json).show(
                "\(file): snapshot \(info.id), \(Terminal.megabytes(info.bytes)), SHA-256 \(info.sha256)"
            ) { writer in
                writer.beginObject()
                writer.field("snapshot_id", info.id)
                writer.field("file", file)
                writer.field("bytes", info.bytes)
                writer.field("sha256", info.sha256)
                writer.endObject()
            }
        }
    }

    private struct Written {
        let id: String
        let bytes: UInt64
        let sha256: String
    }

    /// Makes a snapshot and fetches it.
    private static func backUp(_ options: EndpointOptions, to file: String) async throws -> Written {
        let endpoint = try Endpoint(options)
        do {
            let id = try await snapshot(endpoint)
            let partial = file + ".partial"
            defer { try? FileManager.default.removeItem(atPath: partial) }
            let (headers, bytes, sha256) = try await endpoint.download("/cluster/backup/latest", to: partial) {
                Terminal.progress("download", $0)
            }
            guard headers.first(name: "grape-snapshot-id") == id else {
                throw ToolFailure(.failed, "a newer snapshot than \(id) was made meanwhile: try again")
            }
            guard headers.first(name: "grape-sha256") == sha256 else {
                throw ToolFailure(.failed, "what came has another SHA-256 than was announced: try again")
            }
            try Folder(Folder.parent(of: partial)).moveOut(
                String(partial.split(separator: "/").last ?? ""), to: file)
            await endpoint.close()
            return Written(id: id, bytes: bytes, sha256: sha256)
        } catch {
            await endpoint.close()
            throw error
        }
    }

    private static func snapshot(_ endpoint: Endpoint) async throws -> String {
        var state = try await endpoint.call(.POST, "/cluster/snapshot", timeout: .seconds(60), repeats: false)
            .object()
        guard let id = state.field("snapshot_id")?.string else {
            throw ToolFailure(.failed, "the cluster's answer names no snapshot")
        }
        while state.field("state")?.string == "running" {
            Terminal.progress("snapshot", state.field("progress")?.double ?? 0)
            try await Task.sleep(for: .milliseconds(500))
            state = try await endpoint.call(.GET, "/cluster/snapshot/\(id)").object()
        }
        guard state.field("state")?.string == "written" else {
            throw ToolFailure(
                .failed, "snapshot \(id) was not written: \(state.field("reason")?.string ?? "no reason was given")")
        }
        return id
    }

    private static func backUp(_ directory: String, to file: String) async throws -> Written {
        let isAlone = try DataDirectory.closing(directory) { (found) throws(GrapeError) in found.isAlone }
        if isAlone {
            // What is in the log but not in the rows goes there, as at the start of a server.
            let options = try DataDirectory.closing(directory) { (found) throws(GrapeError) in
                found.nodeOptions(version: GrapeVersion.current)
            }
            let node = try await Node.open(options, logger: Logger.quiet)
            await node.close()
        }
        let opened = try DataDirectory(directory)
        defer { try? opened.close() }
        let info = try opened.backup(to: file, version: GrapeVersion.current) { Terminal.progress("backup", $0) }
        if !isAlone {
            Terminal.complain(
                "note: \(directory) belongs to a member of a larger cluster: the backup has what this node had applied")
        }
        return Written(id: info.id, bytes: info.bytes, sha256: info.sha256)
    }
}

extension Logger {
    /// Warnings and worse, on standard error.
    static var quiet: Logger {
        var logger = Logger(label: "grape-tool") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = .warning
        return logger
    }
}
