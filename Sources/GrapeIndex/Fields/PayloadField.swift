import GrapeModel
import Synchronization

/// One key of the payloads' top level: its values, each once, numbered, and the number of each point.
///
/// A condition on the field, on something inside it, or on its absence is asked once a value; what it says of a point
/// is then a look-up. A value is whatever stands behind the key: scalar, list or object, in canonical JSON.
///
/// Thread safety: guarded by its mutex; the column by its own rules.
final class PayloadField: Sendable {
    private struct State {
        /// Of values in canonical JSON; empty: the key is not there.
        var codes: [[UInt8]: UInt32] = [:]
        /// By number; 0 stands for no value at all.
        var values: [[UInt8]] = [[]]
        var bytes = 0
        /// By condition, what it says of the values up to now.
        var tables: [FilterCondition: [UInt8]] = [:]
    }

    /// Too many different values: the numbers would take as much room as the payloads.
    struct TooManyValues: Error {}

    let key: [UInt8]
    let column: OrdinalColumn
    private let name: String
    private let state = Mutex(State())

    init(key: [UInt8]) throws(IndexError) {
        self.key = key
        name = String(decoding: key, as: UTF8.self)
        column = try OrdinalColumn()
    }

    var bytes: Int { state.withLock { $0.bytes } }

    /// Notes what a payload says.
    func set(_ ordinal: Ordinal, from payload: JSONDocument) throws {
        var writer = JSONWriter(capacity: 32)
        if let value = payload.root.field(name) { writer.value(value) }
        try column.set(ordinal, to: code(of: writer.bytes))
    }

    private func code(of value: [UInt8]) throws(TooManyValues) -> UInt32 {
        let code: UInt32? = state.withLock { state in
            if let code = state.codes[value] { return code }
            guard state.values.count < IndexLimits.fieldValuesMax,
                state.bytes + value.count <= IndexLimits.fieldBytesMax
            else { return nil }
            let code = UInt32(state.values.count)
            state.codes[value] = code
            state.values.append(value)
            state.bytes += value.count
            return code
        }
        guard let code else { throw TooManyValues() }
        return code
    }

    /// What a condition that reads nothing but this field says of each value there is now.
    func passes(_ condition: FilterCondition) -> [UInt8] {
        state.withLock { state in
            var table = state.tables[condition] ?? [0]
            guard table.count < state.values.count else { return table }
            let filter = Filter(must: [condition])
            var scratch = JSONDocument()
            for value in state.values[table.count...] {
                table.append(matches(filter, value, &scratch) ? 1 : 0)
            }
            if state.tables.count >= IndexLimits.fieldTablesMax { state.tables = [:] }
            state.tables[condition] = table
            return table
        }
    }

    private func matches(_ filter: Filter, _ value: [UInt8], _ scratch: inout JSONDocument) -> Bool {
        var writer = JSONWriter(capacity: value.count + key.count + 16)
        writer.beginObject()
        if !value.isEmpty {
            writer.key(utf8: key)
            writer.raw(value)
        }
        writer.endObject()
        do {
            return try filter.matches(payload: writer.bytes, id: .integer(0), scratch: &scratch)
        } catch {
            preconditionFailure("a value that was parsed does not parse: \(error)")
        }
    }
}
