import Foundation
import GrapeIndex
import GrapeModel

/// A filter as a server carries it out once its fields are in memory.
struct IndexFilter: Sendable {
    let json: String
    let truth: Truth
    let matching: Int
    private let filter: Filter
    private let fields: PayloadFields

    /// `text`: the file with the true nearest of the rows that match, a bar, the filter as JSON.
    init(_ text: String, index: CollectionIndex, payloads: [[UInt8]], queries: Int) throws {
        let parts = text.split(separator: "|", maxSplits: 1)
        guard parts.count == 2 else { throw BenchFailure("--filter \(text): expected TRUTH.npy|JSON") }
        json = String(parts[1])
        truth = try Truth(path: String(parts[0]), queries: queries)
        let filter = try Filter(JSONDocument(parsing: Array(parts[1].utf8)).root)
        let fields = PayloadFields(index: index)
        // Lists its fields; they are filled as index threads fill them.
        guard fields.compile(filter, pin: index.clock.pin()) == nil, fields.isIncomplete else {
            throw BenchFailure("\(json): expected a filter on payload fields")
        }
        while fields.fill(
            max: 1_024,
            payloads: { ordinals in
                ordinals.map { payloads[RowKey.row(index.key(of: $0))] }
            })
        {}
        guard fields.compile(filter, pin: index.clock.pin()) != nil else {
            throw BenchFailure("\(json): its fields have too many values")
        }
        var scratch = JSONDocument()
        matching = try payloads.count {
            try filter.matches(payload: $0, id: .integer(0), scratch: &scratch)
        }
        self.filter = filter
        self.fields = fields
    }

    /// From the filter as it was parsed, as a search over the network begins.
    func search(_ query: Span<Float>, limit: Int, ef: Int, pin: VisibilityPin) -> [Hit] {
        guard let compiled = fields.compile(filter, pin: pin) else { preconditionFailure("a field was lost") }
        return fields.index.search(
            query, limit: limit, ef: ef, pin: pin, matching: compiled.match, list: compiled.list, mark: compiled.mark)
    }
}
