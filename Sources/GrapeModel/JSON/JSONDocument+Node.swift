extension JSONDocument {
    /// The outermost value.
    package var root: Node { Node(document: self, position: Self.rootPosition) }

    /// One value of a document: a small value that keeps the document alive.
    package struct Node: Sendable {
        package enum Kind: Sendable, Hashable {
            case null, bool
            /// An integer within Int64.
            case integer
            /// An integer above `Int64.max`.
            case unsigned
            /// A number with a fraction or an exponent.
            case double
            case string, array, object
        }

        let document: JSONDocument
        let position: Int
    }
}

extension JSONDocument.Node {
    package var kind: Kind {
        switch document.tag(at: position) {
        case JSONTag.yes, JSONTag.no: .bool
        case JSONTag.integer: .integer
        case JSONTag.unsigned: .unsigned
        case JSONTag.double: .double
        case JSONTag.string: .string
        case JSONTag.array: .array
        case JSONTag.object: .object
        default: .null
        }
    }

    /// The kind in words, for messages.
    package var kindName: String {
        switch kind {
        case .null: "null"
        case .bool: "a boolean"
        case .integer, .unsigned: "an integer"
        case .double: "a number with a fraction or an exponent"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }

    package var isNull: Bool { document.tag(at: position) == JSONTag.null }

    package var bool: Bool? {
        switch document.tag(at: position) {
        case JSONTag.yes: true
        case JSONTag.no: false
        default: nil
        }
    }

    /// An integer within Int64; `3.0` is none.
    package var int64: Int64? {
        if case .integer(let value) = document.number(at: position) { value } else { nil }
    }

    /// An integer within UInt64; `3.0` is none.
    package var uint64: UInt64? {
        switch document.number(at: position) {
        case .integer(let value): UInt64(exactly: value)
        case .unsigned(let value): value
        default: nil
        }
    }

    /// Any number, an integer rounded to the nearest double.
    package var double: Double? { number?.double }

    package var number: JSONNumber? { document.number(at: position) }

    package var string: String? {
        guard document.tag(at: position) == JSONTag.string else { return nil }
        return String(decoding: document.strings[document.stringRange(at: position)], as: UTF8.self)
    }

    /// UTF-8 bytes of a string.
    package var stringBytes: [UInt8]? {
        guard document.tag(at: position) == JSONTag.string else { return nil }
        return Array(document.strings[document.stringRange(at: position)])
    }

    /// Whether this is a string of the same bytes as `text`.
    package func equals(_ text: String) -> Bool {
        guard document.tag(at: position) == JSONTag.string else { return false }
        let range = document.stringRange(at: position)
        guard range.count == text.utf8.count else { return false }
        return document.strings[range].elementsEqual(text.utf8)
    }

    /// Fields of an object in the order sent, equal keys included; of anything else none.
    package var fields: Fields {
        let isObject = document.tag(at: position) == JSONTag.object
        return Fields(
            document: document, position: position + 1, end: isObject ? document.end(of: position) : position + 1)
    }

    /// Elements of an array; of anything else none.
    package var elements: Elements {
        let isArray = document.tag(at: position) == JSONTag.array
        return Elements(
            document: document, position: position + 1, end: isArray ? document.end(of: position) : position + 1)
    }

    /// Elements of an array, or fields of an object.
    package var count: Int {
        switch kind {
        case .array: elements.reduce(0) { count, _ in count + 1 }
        case .object: fields.reduce(0) { count, _ in count + 1 }
        default: 0
        }
    }

    /// The value of a key, of equal keys the last.
    package func field(_ name: String) -> Self? {
        var found: Self?
        for (key, value) in fields where key.equals(name) { found = value }
        return found
    }

    package struct Fields: Sequence, IteratorProtocol {
        fileprivate let document: JSONDocument
        fileprivate var position: Int
        fileprivate let end: Int

        package mutating func next() -> (key: JSONDocument.Node, value: JSONDocument.Node)? {
            guard position < end else { return nil }
            let key = JSONDocument.Node(document: document, position: position)
            let value = JSONDocument.Node(document: document, position: position + 1)
            position = document.position(after: position + 1)
            return (key, value)
        }
    }

    package struct Elements: Sequence, IteratorProtocol {
        fileprivate let document: JSONDocument
        fileprivate var position: Int
        fileprivate let end: Int

        package mutating func next() -> JSONDocument.Node? {
            guard position < end else { return nil }
            defer { position = document.position(after: position) }
            return JSONDocument.Node(document: document, position: position)
        }
    }
}
