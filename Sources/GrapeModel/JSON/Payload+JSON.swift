extension Payload {
    /// The canonical text of a parsed object: compact, keys in the order sent; of equal keys the last value, at the place
    /// of the first. An absent or null payload is `{}`.
    ///
    /// Throws where the value is no object or its text is longer than `maxBytes`.
    package init(_ node: JSONDocument.Node?, maxBytes: Int) throws(GrapeError) {
        guard let node, !node.isNull else {
            self = .empty
            return
        }
        guard node.kind == .object else {
            throw GrapeError(.invalidRequest, "a payload is an object, found \(node.kindName)")
        }
        var writer = JSONWriter(capacity: 256)
        writer.value(node)
        try self.init(checked: writer.bytes, maxBytes: maxBytes)
    }

    package init(_ object: JSONObject, maxBytes: Int = .max) throws(GrapeError) {
        try self.init(checked: JSONValue.object(object).encoded(), maxBytes: maxBytes)
    }

    private init(checked json: [UInt8], maxBytes: Int) throws(GrapeError) {
        guard json.count <= maxBytes else {
            throw GrapeError(
                .invalidRequest, "the payload has \(json.count) bytes as compact JSON, at most \(maxBytes) are allowed")
        }
        self.init(uncheckedJSON: json)
    }

    /// The payload as a value. Throws where its text is damaged.
    package var value: JSONValue {
        get throws(GrapeError) { try JSONValue(parsing: json) }
    }
}

extension JSONWriter {
    /// A parsed value in canonical form.
    package mutating func value(_ node: JSONDocument.Node) {
        copy(node.document, node.position)
    }

    private mutating func copy(_ document: JSONDocument, _ position: Int) {
        switch document.tag(at: position) {
        case JSONTag.yes: bool(true)
        case JSONTag.no: bool(false)
        case JSONTag.string: string(utf8: document.strings[document.stringRange(at: position)])
        case JSONTag.array:
            beginArray()
            var at = position + 1
            let end = document.end(of: position)
            while at < end {
                copy(document, at)
                at = document.position(after: at)
            }
            endArray()
        case JSONTag.object: copyObject(document, position)
        default:
            switch document.number(at: position) {
            case .integer(let value): integer(value)
            case .unsigned(let value): integer(value)
            case .double(let value): double(value)
            case nil: null()
            }
        }
    }

    private mutating func copyObject(_ document: JSONDocument, _ position: Int) {
        beginObject()
        for (key, value) in document.distinctFields(of: position) {
            self.key(utf8: document.strings[document.stringRange(at: key)])
            copy(document, value)
        }
        endObject()
    }
}

extension JSONDocument {
    /// Positions of the keys and values of an object; of equal keys the last value, at the place of the first.
    func distinctFields(of position: Int) -> [(key: Int, value: Int)] {
        var fields: [(key: Int, value: Int)] = []
        var at = position + 1
        let end = end(of: position)
        while at < end {
            fields.append((at, at + 1))
            at = self.position(after: at + 1)
        }
        return fields.count <= 16 ? distinctBySearch(fields) : distinctByHash(fields)
    }

    private func distinctBySearch(_ fields: [(key: Int, value: Int)]) -> [(key: Int, value: Int)] {
        var distinct: [(key: Int, value: Int)] = []
        distinct.reserveCapacity(fields.count)
        for field in fields {
            let key = strings.span.extracting(stringRange(at: field.key))
            if let same = distinct.firstIndex(where: { string(at: $0.key, equals: key) }) {
                distinct[same].value = field.value
            } else {
                distinct.append(field)
            }
        }
        return distinct
    }

    /// For large objects, in linear time.
    private func distinctByHash(_ fields: [(key: Int, value: Int)]) -> [(key: Int, value: Int)] {
        var distinct: [(key: Int, value: Int)] = []
        var places: [ArraySlice<UInt8>: Int] = [:]
        for field in fields {
            let key = strings[stringRange(at: field.key)]
            if let place = places[key] {
                distinct[place].value = field.value
            } else {
                places[key] = distinct.count
                distinct.append(field)
            }
        }
        return distinct
    }
}
