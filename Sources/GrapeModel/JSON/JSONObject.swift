/// The fields of a JSON object, in order. Every key occurs once.
///
/// Keys are compared by their UTF-8 bytes, so two spellings that Unicode calls equivalent are two keys.
public struct JSONObject: Sendable, Hashable {
    private var keys: [String]
    private var values: [JSONValue]

    /// An object without fields.
    public init() {
        keys = []
        values = []
    }

    /// Of equal keys the last value wins and takes the place of the first.
    public init(_ fields: some Sequence<(String, JSONValue)>) {
        self.init()
        // A dictionary of its own finds repeated keys, so that many fields don't take quadratic time.
        var positions: [[UInt8]: Int] = [:]
        for (key, value) in fields {
            if let position = positions.updateValue(keys.count, forKey: Array(key.utf8)) {
                positions[Array(key.utf8)] = position
                values[position] = value
            } else {
                keys.append(key)
                values.append(value)
            }
        }
    }

    /// The value of a key; nil where there is none. Setting nil removes the field, setting a value of a new key appends
    /// it.
    public subscript(key: String) -> JSONValue? {
        get { position(of: key).map { values[$0] } }
        set {
            switch (position(of: key), newValue) {
            case (let position?, let value?): values[position] = value
            case (let position?, nil):
                keys.remove(at: position)
                values.remove(at: position)
            case (nil, let value?):
                keys.append(key)
                values.append(value)
            case (nil, nil): break
            }
        }
    }

    private func position(of key: String) -> Int? {
        keys.firstIndex { $0.utf8.elementsEqual(key.utf8) }
    }

    /// Strings of Swift are equal where Unicode calls them equivalent, JSON's keys are not.
    public static func == (left: Self, right: Self) -> Bool {
        left.keys.elementsEqual(right.keys) { $0.utf8.elementsEqual($1.utf8) } && left.values == right.values
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(keys)
        hasher.combine(values)
    }
}

extension JSONObject: RandomAccessCollection {
    public var startIndex: Int { 0 }
    public var endIndex: Int { keys.count }
    public subscript(position: Int) -> (key: String, value: JSONValue) { (keys[position], values[position]) }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
    /// Of equal keys the last wins.
    public init(dictionaryLiteral elements: (String, JSONValue)...) { self.init(elements) }
}
