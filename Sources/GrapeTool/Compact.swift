import ArgumentParser
import GrapeCluster
import GrapeModel
import GrapeStorage

struct Compact: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Rewrites a data directory's files, so that what was deleted gives its space free.")

    @OptionGroup var form: JSONOption

    @Option(name: .long, help: ArgumentHelp("A data directory that no server has open.", valueName: "directory"))
    var dataDir: String

    func run() async throws {
        let (json, path) = (form.json, dataDir)
        try await tool(json: json) {
            let directory = try DataDirectory(path, writing: true)
            let database = directory.database
            let (before, after): (UInt64, UInt64)
            do {
                defer { try? directory.close() }
                try database.flush()
                before = try database.statistics().sstBytes
                for (place, family) in ColumnFamily.allCases.enumerated() {
                    Terminal.progress(family.name, Double(place) / Double(ColumnFamily.allCases.count))
                    try database.compact(family)
                    try Task.checkCancellation()
                }
                after = try database.statistics().sstBytes
            } catch let error as StorageError {
                throw GrapeError(error)
            }
            Output(json: json).show("\(Terminal.megabytes(before)) before, \(Terminal.megabytes(after)) now") {
                writer in
                writer.beginObject()
                writer.field("bytes_before", before)
                writer.field("bytes_after", after)
                writer.endObject()
            }
        }
    }
}
