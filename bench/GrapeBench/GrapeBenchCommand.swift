import ArgumentParser

/// Measures Grape: its index in this process, or a server or cluster over the network.
///
/// Base vectors, queries and truth come from NumPy files. The number of a row is the id of its point, so that answers
/// can be compared with the truth, which holds row numbers.
@main
struct GrapeBenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "grape-bench",
        abstract: "Measures the speed and the recall of Grape.",
        discussion: """
            Vectors are read from .npy files (float16 or float32, one row a vector), the truth from an .npy file of \
            int32 row numbers, best first. Recall always stands beside the speed at which it was reached.
            """,
        subcommands: [IndexCommand.self, LoadCommand.self, SearchCommand.self])
}
