extension JSONWriter {
    package mutating func value(_ value: JSONValue) {
        switch value {
        case .null: null()
        case .bool(let value): bool(value)
        case .integer(let value): integer(value)
        case .unsigned(let value): integer(value)
        case .double(let value): double(value)
        case .string(let value): string(value)
        case .array(let values):
            beginArray()
            for element in values { self.value(element) }
            endArray()
        case .object(let object): self.object(object)
        }
    }

    package mutating func object(_ object: JSONObject) {
        beginObject()
        for (key, value) in object {
            self.key(key)
            self.value(value)
        }
        endObject()
    }

    /// The id in the form in which it was last written.
    package mutating func id(_ id: WrittenID) {
        if case .integer(let number) = id.id, id.form == .number {
            integer(number)
        } else {
            string(id.text)
        }
    }

    package mutating func field(_ key: String, _ value: String) {
        self.key(key)
        string(value)
    }

    package mutating func field(_ key: String, _ value: Bool) {
        self.key(key)
        bool(value)
    }

    package mutating func field(_ key: String, _ value: some FixedWidthInteger) {
        self.key(key)
        integer(value)
    }

    package mutating func field(_ key: String, _ value: Float) {
        self.key(key)
        float(value)
    }

    package mutating func field(_ key: String, _ value: Double) {
        self.key(key)
        double(value)
    }

    package mutating func field(_ key: String, _ value: JSONValue) {
        self.key(key)
        self.value(value)
    }
}
