/// The exact nearest rows of each query, best first.
package struct Truth: Sendable {
    private let columns: Int
    private let rows: [Int32]

    /// Results that count, of answer and truth alike.
    package static let depth = 10

    package init(path: String, queries: Int) throws(BenchFailure) {
        (columns, rows) = try NumPyFile.integers(path: path)
        guard columns >= Self.depth else {
            throw BenchFailure("\(path): \(columns) neighbours a query, expected at least \(Self.depth)")
        }
        guard rows.count == columns * queries else {
            throw BenchFailure("\(path): \(rows.count / columns) rows, expected one for each of \(queries) queries")
        }
    }

    /// The share of the query's true ten nearest that are among the first ten of an answer.
    package func recall(of answer: [Int], query: Int) -> Double {
        let nearest = rows[query * columns..<query * columns + Self.depth]
        let found = answer.prefix(Self.depth).count { Int32(exactly: $0).map(nearest.contains) ?? false }
        return Double(found) / Double(Self.depth)
    }
}
