/// Why a measurement can't be made, in one line for the person at the terminal.
package struct BenchFailure: Error, CustomStringConvertible, Equatable {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}
