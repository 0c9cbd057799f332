/// Reads a JSON object strictly: known keys by name, wrong types refused by name, unknown keys refused at the end.
///
/// `null` counts as absent, and of equal keys the last one counts. All errors are `.invalidRequest` unless said
/// otherwise and begin with the reader's name:
///
///     var fields = try ObjectReader(document.root, name: "search request")
///     let vector = try fields.requiredFloats("vector")
///     let limit = try fields.integer("limit", in: 1...10_000, default: 10)
///     let filter = try fields.filter("filter")
///     try fields.finish()
///
/// A body `{"vector":[1],"limt":3}` makes `finish` throw: search request: unknown field "limt" (did you mean "limit"?);
/// `{"vector":[1],"limit":"3"}` makes `integer` throw: search request: field limit: expected an integer, found a string.
///
/// Keys that are asked for become known, so every key that a request may have is asked for before `finish`.
package struct ObjectReader {
    private let object: JSONDocument.Node
    private let name: String
    private let position: Int?
    private var known: [String] = []

    /// `position`: where the object stands in the array `name`, for messages: `vectors[3]`.
    package init(_ node: JSONDocument.Node, name: String, at position: Int? = nil) throws(GrapeError) {
        object = node
        self.name = name
        self.position = position
        guard node.kind == .object else {
            throw GrapeError(.invalidRequest, "\(title): expected an object, found \(node.kindName)")
        }
    }

    /// The reader's name with its position.
    package var title: String { position.map { "\(name)[\($0)]" } ?? name }

    package func failure(_ key: String, _ text: String) -> GrapeError {
        GrapeError(.invalidRequest, "\(title): field \(key): \(text)")
    }

    /// The value of a key; nil where it is absent or null.
    package mutating func node(_ key: String) -> JSONDocument.Node? {
        known.append(key)
        guard let found = object.field(key), !found.isNull else { return nil }
        return found
    }

    package mutating func required(_ key: String) throws(GrapeError) -> JSONDocument.Node {
        guard let found = node(key) else { throw missing(key) }
        return found
    }

    /// Accepts keys without reading them.
    package mutating func allow(_ keys: String...) { known += keys }

    /// Throws where the object has a key that was not asked for.
    package func finish() throws(GrapeError) {
        for (key, _) in object.fields where !known.contains(where: { key.equals($0) }) {
            let text = key.string ?? ""
            let hint = nearest(to: text, among: known).map { " (did you mean \"\($0)\"?)" } ?? ""
            throw GrapeError(.invalidRequest, "\(title): unknown field \"\(shortened(text))\"\(hint)")
        }
    }

    private func missing(_ key: String) -> GrapeError {
        failure(key, "is missing")
    }

    private func mismatch(_ key: String, _ expected: String, _ found: JSONDocument.Node) -> GrapeError {
        failure(key, "expected \(expected), found \(found.kindName)")
    }
}

// MARK: - Values

extension ObjectReader {
    package mutating func integer(_ key: String, in range: ClosedRange<Int>) throws(GrapeError) -> Int? {
        guard let found = node(key) else { return nil }
        guard found.kind == .integer || found.kind == .unsigned else { throw mismatch(key, "an integer", found) }
        guard let value = found.int64, range.contains(Int(value)) else {
            let text = found.uint64.map { "\($0)" } ?? "\(found.int64 ?? 0)"
            throw failure(key, "expected \(range.lowerBound) to \(range.upperBound), found \(text)")
        }
        return Int(value)
    }

    package mutating func integer(
        _ key: String, in range: ClosedRange<Int>, default value: Int
    ) throws(GrapeError) -> Int {
        try integer(key, in: range) ?? value
    }

    package mutating func bool(_ key: String) throws(GrapeError) -> Bool? {
        guard let found = node(key) else { return nil }
        guard let value = found.bool else { throw mismatch(key, "a boolean", found) }
        return value
    }

    package mutating func bool(_ key: String, default value: Bool) throws(GrapeError) -> Bool {
        try bool(key) ?? value
    }

    package mutating func string(_ key: String) throws(GrapeError) -> String? {
        guard let found = node(key) else { return nil }
        guard let value = found.string else { throw mismatch(key, "a string", found) }
        return value
    }

    package mutating func requiredString(_ key: String) throws(GrapeError) -> String {
        guard let value = try string(key) else { throw missing(key) }
        return value
    }

    package mutating func number(_ key: String) throws(GrapeError) -> JSONNumber? {
        guard let found = node(key) else { return nil }
        guard let value = found.number else { throw mismatch(key, "a number", found) }
        return value
    }

    package mutating func double(_ key: String) throws(GrapeError) -> Double? {
        try number(key)?.double
    }

    package mutating func float(_ key: String) throws(GrapeError) -> Float? {
        guard let value = try double(key) else { return nil }
        guard Float(value).isFinite else { throw failure(key, "\(value) is beyond a 32-bit float") }
        return Float(value)
    }

    /// Throws `.invalidVector` where the value is no array of numbers that floats can hold.
    package mutating func floats(_ key: String) throws(GrapeError) -> [Float]? {
        guard let found = node(key) else { return nil }
        do {
            return try found.floats(name: key)
        } catch {
            throw GrapeError(error.code, "\(title): \(error.message)")
        }
    }

    package mutating func requiredFloats(_ key: String) throws(GrapeError) -> [Float] {
        guard let values = try floats(key) else { throw missing(key) }
        return values
    }

    /// One of the words that are an enum's raw values.
    package mutating func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ key: String, default value: Choice
    ) throws(GrapeError) -> Choice {
        guard let text = try string(key) else { return value }
        guard let choice = Choice(rawValue: text) else {
            let words = Choice.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
            throw failure(key, "expected one of \(words), found \"\(shortened(text))\"")
        }
        return choice
    }

    package mutating func array(_ key: String, max: Int) throws(GrapeError) -> [JSONDocument.Node]? {
        guard let found = node(key) else { return nil }
        guard found.kind == .array else { throw mismatch(key, "an array", found) }
        let elements = Array(found.elements)
        guard elements.count <= max else {
            throw failure(key, "has \(elements.count) elements, at most \(max) are allowed")
        }
        return elements
    }

    package mutating func object(_ key: String) throws(GrapeError) -> ObjectReader? {
        guard let found = node(key) else { return nil }
        guard found.kind == .object else { throw mismatch(key, "an object", found) }
        return try ObjectReader(found, name: "\(title).\(key)")
    }
}

// MARK: - Grape's own values

extension ObjectReader {
    /// A point's id, which must be there: a JSON integer or a string.
    package mutating func id(_ key: String) throws(GrapeError) -> WrittenID {
        let found = try required(key)
        do {
            return try WrittenID(found)
        } catch {
            throw failure(key, error.message)
        }
    }

    /// A payload; `{}` where it is absent.
    package mutating func payload(_ key: String, maxBytes: Int) throws(GrapeError) -> Payload {
        let found = node(key)
        do {
            return try Payload(found, maxBytes: maxBytes)
        } catch {
            throw failure(key, error.message)
        }
    }

    package mutating func filter(_ key: String) throws(GrapeError) -> Filter? {
        guard let found = node(key) else { return nil }
        do {
            return try Filter(found)
        } catch {
            throw GrapeError(error.code, "\(title): \(error.message)")
        }
    }
}
