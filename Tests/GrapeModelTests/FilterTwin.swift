import GrapeModel

/// The naive twin of `Filter.matches`: the same rules on values, by lists of the values at a path.
struct FilterTwin {
    static func matches(_ filter: Filter, _ payload: JSONValue, id: PointID?) -> Bool {
        let holds = { (condition: FilterCondition) in matches(condition, payload, id: id) }
        let minShould = filter.minShould.map { $0.conditions.filter(holds).count >= $0.count } ?? true
        return filter.must.allSatisfy(holds) && !filter.mustNot.contains(where: holds) && minShould
            && (filter.should.isEmpty || filter.should.contains(where: holds))
    }

    private static func matches(_ condition: FilterCondition, _ payload: JSONValue, id: PointID?) -> Bool {
        switch condition {
        case .field(let field): matches(field.test, values(at: field.path, in: payload))
        case .isEmpty(let path): values(at: path, in: payload).allSatisfy { $0.isNull || $0 == .array([]) }
        case .isNull(let path): values(at: path, in: payload).contains(.null)
        case .hasID(let ids): id.map { ids.contains($0) } ?? false
        case .nested(let nested):
            values(at: nested.path, in: payload).contains {
                $0.objectValue != nil && matches(nested.filter, $0, id: nil)
            }
        case .filter(let filter): matches(filter, payload, id: id)
        }
    }

    static func values(at path: PayloadPath, in payload: JSONValue) -> [JSONValue] {
        path.steps.reduce([payload]) { values, step in
            values.flatMap { value -> [JSONValue] in
                switch step {
                case .key(let key):
                    value.objectValue?.filter { Array($0.key.utf8) == key }.map(\.value) ?? []
                case .index(let index): value[index].map { [$0] } ?? []
                case .everyElement: value.arrayValue ?? []
                }
            }
        }
    }

    private static func matches(_ test: FieldTest, _ values: [JSONValue]) -> Bool {
        switch test {
        case .isEmpty(let expected):
            return values.isEmpty ? expected : values.contains { ($0.isNull || $0 == .array([])) == expected }
        case .isNull(let expected):
            return values.isEmpty
                ? !expected : values.contains { ($0.isNull || $0.arrayValue?.contains(.null) == true) == expected }
        case .valuesCount(let range):
            return values.contains { range.contains($0.isNull ? 0 : $0.arrayValue?.count ?? 1) }
        case .contains(let scalar):
            return values.contains { value in
                if let elements = value.arrayValue { return elements.contains { equals($0, scalar) } }
                guard case .string(let part) = scalar else { return false }
                return contains(value, part)
            }
        default:
            return values.flatMap { $0.arrayValue ?? [$0] }.contains { matchesOne(test, $0) }
        }
    }

    private static func matchesOne(_ test: FieldTest, _ value: JSONValue) -> Bool {
        switch test {
        case .equals(let scalar): return equals(value, scalar)
        case .any(let list): return scalars(list).contains { equals(value, $0) }
        case .except(let list): return !value.isNull && !scalars(list).contains { equals(value, $0) }
        case .text(let part): return contains(value, part)
        case .textAny(let parts): return parts.contains { contains(value, $0) }
        case .range(let range): return number(value).map { range.contains($0) } ?? false
        case .timeRange(let range):
            guard let text = value.stringValue, let time = Timestamp(Array(text.utf8).span) else { return false }
            return range.contains(time)
        case .geo(let shape):
            guard value.objectValue != nil, let longitude = value["lon"]?.doubleValue,
                let latitude = value["lat"]?.doubleValue
            else { return false }
            return shape.contains(GeoPoint(longitude: longitude, latitude: latitude))
        default: return false
        }
    }

    private static func scalars(_ list: FilterScalarList) -> [FilterScalar] {
        list.strings.map { .string($0) } + list.numbers.map { .number($0) } + list.bools.map { .bool($0) }
    }

    private static func equals(_ value: JSONValue, _ scalar: FilterScalar) -> Bool {
        switch scalar {
        case .bool(let bool): value.boolValue == bool
        case .number(let expected): number(value).map { !($0 < expected) && !(expected < $0) } ?? false
        case .string(let bytes): value.stringValue.map { Array($0.utf8) == bytes } ?? false
        }
    }

    private static func number(_ value: JSONValue) -> JSONNumber? {
        switch value {
        case .integer(let number): .integer(number)
        case .unsigned(let number): .unsigned(number)
        case .double(let number): .double(number)
        default: nil
        }
    }

    private static func contains(_ value: JSONValue, _ part: [UInt8]) -> Bool {
        guard let text = value.stringValue.map({ Array($0.utf8) }) else { return false }
        return text.count >= part.count
            && (0...(text.count - part.count)).contains { text[$0..<$0 + part.count].elementsEqual(part) }
    }
}
