/// Consecutive rows of a file of vectors.
package struct VectorBlock: Sendable {
    /// The number, in the file, of the first of these rows.
    package let firstRow: Int
    package let columns: Int
    /// The rows one after the other.
    package private(set) var values: [Float]

    package init(firstRow: Int, columns: Int, values: [Float]) {
        precondition(columns > 0 && values.count.isMultiple(of: columns), "values don't make rows of \(columns)")
        self.firstRow = firstRow
        self.columns = columns
        self.values = values
    }

    package var rows: Int { values.count / columns }

    package func row(_ index: Int) -> ArraySlice<Float> {
        values[index * columns..<(index + 1) * columns]
    }

    /// Scales every row to length 1, as cosine compares directions only.
    package mutating func normalise(name: String) throws(BenchFailure) {
        for row in 0..<rows {
            let range = row * columns..<(row + 1) * columns
            var squares = 0.0
            for index in range { squares += Double(values[index]) * Double(values[index]) }
            guard squares > 0 else {
                throw BenchFailure("\(name): row \(firstRow + row) is zero and has no direction, which cosine needs")
            }
            let scale = 1 / squares.squareRoot()
            for index in range { values[index] = Float(Double(values[index]) * scale) }
        }
    }
}
