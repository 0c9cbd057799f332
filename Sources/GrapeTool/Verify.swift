import ArgumentParser
import GrapeCluster
import GrapeEngine
import GrapeModel

struct Verify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Reads everything in a data directory or a backup and names all damage.",
        discussion: "Exit status: 0 sound; 1 damage was found and named; 2 it could not be looked at.")

    @OptionGroup var form: JSONOption

    @Option(name: .long, help: ArgumentHelp("A data directory that no server has open.", valueName: "directory"))
    var dataDir: String?

    @Option(name: .long, help: ArgumentHelp("An archive.", valueName: "file"))
    var backup: String?

    func validate() throws {
        guard (dataDir == nil) != (backup == nil) else {
            throw ValidationError("give one of --data-dir and --backup")
        }
    }

    func run() async throws {
        let (json, directory, backup) = (form.json, dataDir, backup)
        try await tool(json: json) {
            let report = try directory.map(Self.verify(directory:)) ?? Self.verify(archive: backup ?? "")
            Self.show(report, Output(json: json))
            if !report.errors.isEmpty { throw ExitCode(ToolFailure.Status.failed.rawValue) }
        }
    }

    private static func verify(directory path: String) throws -> DirectoryReport {
        do throws(GrapeError) {
            return try DataDirectory.closing(path) { (directory) throws(GrapeError) in
                try directory.verify { Terminal.progress($0, $1) }
            }
        } catch {
            // A store that can't be opened for damage has been looked at.
            guard error.code == .damaged else { throw ToolFailure(.refused, error.message) }
            var report = DirectoryReport()
            report.errors = [error.message]
            return report
        }
    }

    private static func verify(archive path: String) throws -> DirectoryReport {
        var report = DirectoryReport()
        do throws(ArchiveError) {
            let found = try ArchiveCheck.run(path, id: "", progress: { Terminal.progress("read", $0) })
            report.points = found.points
            report.errors = found.errors
        } catch {
            throw ToolFailure(.refused, "\(error)")
        }
        report.archives = 1
        return report
    }

    private static func show(_ report: DirectoryReport, _ output: Output) {
        let summary =
            "\(report.points) points, \(report.rows) rows, \(report.entries) log entries, \(report.archives) archives"
        let text = report.errors.isEmpty ? "sound: \(summary)" : "DAMAGED: \(report.errors.joined(separator: "\n"))"
        output.show(text) { writer in
            writer.beginObject()
            writer.field("valid", report.errors.isEmpty)
            writer.field("points", report.points)
            writer.field("rows", report.rows)
            writer.field("log_entries", report.entries)
            writer.field("archives", report.archives)
            writer.key("errors")
            writer.beginArray()
            for error in report.errors { writer.string(error) }
            writer.endArray()
            writer.endObject()
        }
    }
}
