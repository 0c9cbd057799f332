/// Any JSON value, with integers apart from numbers that have a fraction or an exponent.
///
/// Values are written as literals and read by key and index:
///
///     let payload: JSONValue = ["title": "Rebecca", "year": 1938, "tags": ["gothic", "novel"]]
///     payload["year"]?.intValue          // 1938
///     payload["tags"]?[0]?.stringValue   // "gothic"
///
/// Two values are equal if they are of the same case and hold the same: `1` and `1.0` differ, as do objects whose keys
/// stand in another order.
public indirect enum JSONValue: Sendable, Hashable {
    case null
    case bool(Bool)
    /// A whole number within Int64.
    case integer(Int64)
    /// A whole number above `Int64.max`; smaller ones are always `integer` when parsed.
    case unsigned(UInt64)
    /// A number with a fraction or an exponent; JSON has no NaN and no infinity, which are encoded as `null`.
    case double(Double)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)
}

extension JSONValue {
    /// Parses one JSON value.
    ///
    /// - Throws: ``GrapeError`` with the code ``GrapeError/Code/invalidRequest``, naming what is wrong and where.
    public init(parsing text: String) throws(GrapeError) {
        try self.init(parsing: Array(text.utf8))
    }

    /// Parses one JSON value from UTF-8 bytes.
    ///
    /// - Throws: ``GrapeError`` with the code ``GrapeError/Code/invalidRequest``, naming what is wrong and where.
    public init(parsing bytes: [UInt8]) throws(GrapeError) {
        self.init(try JSONDocument(parsing: bytes).root)
    }

    package init(_ node: JSONDocument.Node) {
        switch node.kind {
        case .null: self = .null
        case .bool: self = .bool(node.bool ?? false)
        case .string: self = .string(node.string ?? "")
        case .array: self = .array(node.elements.map { JSONValue($0) })
        case .object: self = .object(JSONObject(node.fields.lazy.map { ($0.string ?? "", JSONValue($1)) }))
        case .integer, .unsigned, .double:
            switch node.number {
            case .integer(let value): self = .integer(value)
            case .unsigned(let value): self = .unsigned(value)
            case .double(let value): self = .double(value)
            case nil: self = .null
            }
        }
    }

    /// The value as compact JSON in UTF-8.
    public func encoded() -> [UInt8] {
        var writer = JSONWriter()
        writer.value(self)
        return writer.bytes
    }

    /// The value as compact JSON.
    public var json: String { String(decoding: encoded(), as: UTF8.self) }
}

// MARK: - Reading

extension JSONValue {
    /// Whether this is `null`.
    public var isNull: Bool { self == .null }

    /// The boolean, or nil if this is something else.
    public var boolValue: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    /// The integer, or nil if this is something else or above `Int64.max`.
    public var intValue: Int64? {
        if case .integer(let value) = self { value } else { nil }
    }

    /// The integer if it is not negative, or nil.
    public var uintValue: UInt64? {
        switch self {
        case .integer(let value): UInt64(exactly: value)
        case .unsigned(let value): value
        default: nil
        }
    }

    /// Any number as the nearest double, or nil if this is none.
    public var doubleValue: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .unsigned(let value): Double(value)
        case .double(let value): value
        default: nil
        }
    }

    /// The string, or nil if this is something else.
    public var stringValue: String? {
        if case .string(let value) = self { value } else { nil }
    }

    /// The elements, or nil if this is no array.
    public var arrayValue: [JSONValue]? {
        if case .array(let values) = self { values } else { nil }
    }

    /// The fields, or nil if this is no object.
    public var objectValue: JSONObject? {
        if case .object(let object) = self { object } else { nil }
    }

    /// The value of a key, or nil where this is no object or has no such key.
    public subscript(key: String) -> JSONValue? { objectValue?[key] }

    /// The element at a position, or nil where this is no array or is shorter.
    public subscript(index: Int) -> JSONValue? {
        guard let values = arrayValue, values.indices.contains(index) else { return nil }
        return values[index]
    }
}

// MARK: - Literals

extension JSONValue: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByStringInterpolation, ExpressibleByArrayLiteral,
    ExpressibleByDictionaryLiteral
{
    public init(nilLiteral: ()) { self = .null }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(integerLiteral value: Int64) { self = .integer(value) }
    public init(floatLiteral value: Double) { self = .double(value) }
    public init(stringLiteral value: String) { self = .string(value) }
    public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }

    /// Of equal keys the last wins.
    public init(dictionaryLiteral elements: (String, JSONValue)...) { self = .object(JSONObject(elements)) }
}

extension JSONValue: CustomStringConvertible {
    public var description: String { json }
}
