import ArgumentParser
import GrapeModel

/// `64,128,256`: positive whole numbers, at most 64 of them.
struct NumberList: ExpressibleByArgument, Equatable, CustomStringConvertible {
    let values: [Int]

    init(_ values: [Int]) {
        self.values = values
    }

    init?(argument: String) {
        let values = argument.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
        guard (1...64).contains(values.count), values.allSatisfy({ (1...1_000_000).contains($0) }) else { return nil }
        self.values = values
    }

    var description: String { values.map(String.init).joined(separator: ",") }
    var defaultValueDescription: String { description }
}

/// `http://127.0.0.1:6333,http://127.0.0.1:6343`
struct EndpointList: ExpressibleByArgument {
    let endpoints: [Endpoint]

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
        endpoints = parts.compactMap { Endpoint(text: String($0)) }
        guard !endpoints.isEmpty, endpoints.count == parts.count else { return nil }
    }
}

enum WireProtocol: String, ExpressibleByArgument, CaseIterable {
    case rest, grpc
}

extension Consistency: ExpressibleByArgument {}

extension DistanceMetric: ExpressibleByArgument {
    package init?(argument: String) { self.init(name: argument) }
    package static var allValueStrings: [String] { allCases.map(\.name) }
    package var defaultValueDescription: String { name }
}

extension ClosedRange {
    /// Refuses an option's value outside the range, naming the option.
    func require(_ value: Bound, for option: String) throws {
        guard contains(value) else {
            throw ValidationError("\(option) \(value): expected \(lowerBound) to \(upperBound)")
        }
    }
}
