import ArgumentParser
import GrapeConfiguration

/// `grape-tool`: what an operator does with backups and with the data directory of a node that does not run.
@main
struct GrapeTool: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "grape-tool",
        abstract: "Backups of Grape, and work on data directories that no server has open.",
        discussion: """
            Exit status: 0 done, and sound; 1 damage was found and named, or the work failed; 2 it could not be begun: a \
            directory that a server has open, an endpoint that can't be reached, a collection that exists already; \
            64 command line.
            """,
        version: GrapeVersion.current,
        subcommands: [Backup.self, Restore.self, Verify.self, Compact.self, Inspect.self, Recover.self])
}
