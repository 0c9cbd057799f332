// HOT PATH
import CSimdJSON

extension Filter {
    /// Whether the point with this payload and id matches. The payload is in canonical form: no key occurs twice.
    package func matches(_ payload: JSONDocument, id: PointID) -> Bool {
        payload.satisfies(self, at: JSONDocument.rootPosition, id: id)
    }

    /// The same for a payload's text. `scratch` is reused from call to call, so that a match allocates nothing.
    package func matches(payload: [UInt8], id: PointID, scratch: inout JSONDocument) throws(GrapeError) -> Bool {
        try unsafe matches(payload: payload.span.bytes, id: id, scratch: &scratch)
    }

    package func matches(payload: Span<UInt8>, id: PointID, scratch: inout JSONDocument) throws(GrapeError) -> Bool {
        try unsafe matches(payload: payload.bytes, id: id, scratch: &scratch)
    }

    package func matches(payload: RawSpan, id: PointID, scratch: inout JSONDocument) throws(GrapeError) -> Bool {
        if readsPayload { try scratch.reparse(payload) }
        return scratch.satisfies(self, at: JSONDocument.rootPosition, id: id)
    }
}

extension JSONDocument {
    /// `position`: the object in which the filter's paths begin. `id`: nil in a nested filter, where `has_id` never
    /// holds.
    fileprivate func satisfies(_ filter: Filter, at position: Int, id: PointID?) -> Bool {
        for condition in filter.must where !satisfies(condition, at: position, id: id) { return false }
        for condition in filter.mustNot where satisfies(condition, at: position, id: id) { return false }
        if !filter.should.isEmpty, !holdsAtLeast(1, of: filter.should, at: position, id: id) { return false }
        guard let minShould = filter.minShould else { return true }
        return holdsAtLeast(minShould.count, of: minShould.conditions, at: position, id: id)
    }

    private func holdsAtLeast(_ count: Int, of conditions: [FilterCondition], at position: Int, id: PointID?) -> Bool {
        var missing = count
        for condition in conditions where missing > 0 && satisfies(condition, at: position, id: id) { missing -= 1 }
        return missing <= 0
    }

    private func satisfies(_ condition: FilterCondition, at position: Int, id: PointID?) -> Bool {
        switch condition {
        case .field(let field):
            return satisfies(field, at: position)
        case .isEmpty(let path):
            return !anyValue(at: path, from: position) { !isEmpty($0) }
        case .isNull(let path):
            return anyValue(at: path, from: position) { tag(at: $0) == JSONTag.null }
        case .hasID(let ids):
            guard let id else { return false }
            return ids.contains(id)
        case .nested(let nested):
            return anyValue(at: nested.path, from: position) {
                tag(at: $0) == JSONTag.object && satisfies(nested.filter, at: $0, id: nil)
            }
        case .filter(let filter):
            return satisfies(filter, at: position, id: id)
        }
    }

    private func satisfies(_ field: FieldCondition, at position: Int) -> Bool {
        switch field.test {
        case .isEmpty(let expected):
            var isThere = false
            let holds = anyValue(at: field.path, from: position) {
                isThere = true
                return isEmpty($0) == expected
            }
            return holds || !isThere && expected
        case .isNull(let expected):
            var isThere = false
            let holds = anyValue(at: field.path, from: position) {
                isThere = true
                return isOrHoldsNull($0) == expected
            }
            return holds || !isThere && !expected
        case .valuesCount(let range):
            return anyValue(at: field.path, from: position) { range.contains(valuesCount($0)) }
        case .contains(let scalar):
            return anyValue(at: field.path, from: position) { contains(scalar, in: $0) }
        default:
            return anyValue(at: field.path, from: position) { value in
                if tag(at: value) == JSONTag.array {
                    anyElement(of: value) { passes(field.test, $0) }
                } else {
                    passes(field.test, value)
                }
            }
        }
    }

    private func isEmpty(_ position: Int) -> Bool {
        switch tag(at: position) {
        case JSONTag.null: true
        case JSONTag.array: end(of: position) == position + 1
        default: false
        }
    }

    private func isOrHoldsNull(_ position: Int) -> Bool {
        switch tag(at: position) {
        case JSONTag.null: true
        case JSONTag.array: anyElement(of: position) { tag(at: $0) == JSONTag.null }
        default: false
        }
    }

    private func valuesCount(_ position: Int) -> Int {
        switch tag(at: position) {
        case JSONTag.null: return 0
        case JSONTag.array:
            var count = 0
            _ = anyElement(of: position) { _ in
                count += 1
                return false
            }
            return count
        default: return 1
        }
    }

    private func contains(_ scalar: FilterScalar, in position: Int) -> Bool {
        switch (tag(at: position), scalar) {
        case (JSONTag.array, _): anyElement(of: position) { equals(scalar, $0) }
        case (JSONTag.string, .string(let text)): contains(text, in: position)
        default: false
        }
    }
}

// MARK: - Values

extension JSONDocument {
    /// Tests of a single value, which is no array unless it was an element.
    private func passes(_ test: FieldTest, _ position: Int) -> Bool {
        switch test {
        case .equals(let scalar): equals(scalar, position)
        case .any(let list): isIn(list, position)
        case .except(let list): tag(at: position) != JSONTag.null && !isIn(list, position)
        case .text(let text): contains(text, in: position)
        case .textAny(let texts): texts.contains { contains($0, in: position) }
        case .range(let range): number(at: position).map { range.contains($0) } ?? false
        case .timeRange(let range): timestamp(at: position).map { range.contains($0) } ?? false
        case .geo(let shape): point(at: position).map { shape.contains($0) } ?? false
        case .contains, .valuesCount, .isEmpty, .isNull: false
        }
    }

    private func equals(_ scalar: FilterScalar, _ position: Int) -> Bool {
        switch scalar {
        case .bool(let value): tag(at: position) == (value ? JSONTag.yes : JSONTag.no)
        case .number(let value): number(at: position) == value
        case .string(let text): tag(at: position) == JSONTag.string && string(at: position, equals: text.span)
        }
    }

    private func isIn(_ list: FilterScalarList, _ position: Int) -> Bool {
        switch tag(at: position) {
        case JSONTag.yes: list.bools.contains(true)
        case JSONTag.no: list.bools.contains(false)
        case JSONTag.string: list.contains(strings.span.extracting(stringRange(at: position)))
        default: number(at: position).map { list.contains($0) } ?? false
        }
    }

    private func contains(_ text: [UInt8], in position: Int) -> Bool {
        guard tag(at: position) == JSONTag.string else { return false }
        let range = stringRange(at: position)
        return unsafe grape_text_contains(strings, range.lowerBound, range.count, text, text.count)
    }

    private func timestamp(at position: Int) -> Timestamp? {
        guard tag(at: position) == JSONTag.string else { return nil }
        return Timestamp(strings.span.extracting(stringRange(at: position)))
    }

    private func point(at position: Int) -> GeoPoint? {
        guard tag(at: position) == JSONTag.object,
            let longitude = value(of: Self.longitudeKey, in: position).flatMap({ number(at: $0) }),
            let latitude = value(of: Self.latitudeKey, in: position).flatMap({ number(at: $0) })
        else { return nil }
        return GeoPoint(longitude: longitude.double, latitude: latitude.double)
    }

    private static let longitudeKey = Array("lon".utf8)
    private static let latitudeKey = Array("lat".utf8)
}

// MARK: - Paths

extension JSONDocument {
    /// Whether `body` holds of one of the values at `path`; they are visited in order up to that one.
    private func anyValue(at path: PayloadPath, from position: Int, where body: (Int) -> Bool) -> Bool {
        anyValue(at: path.steps, 0, from: position, where: body)
    }

    private func anyValue(
        at steps: [PayloadPath.Step], _ first: Int, from position: Int, where body: (Int) -> Bool
    ) -> Bool {
        var position = position
        for index in first..<steps.count {
            switch steps[index] {
            case .key(let key):
                guard tag(at: position) == JSONTag.object, let value = value(of: key, in: position) else {
                    return false
                }
                position = value
            case .index(let wanted):
                guard tag(at: position) == JSONTag.array, let value = element(wanted, of: position) else {
                    return false
                }
                position = value
            case .everyElement:
                guard tag(at: position) == JSONTag.array else { return false }
                return anyElement(of: position) { anyValue(at: steps, index + 1, from: $0, where: body) }
            }
        }
        return body(position)
    }

    private func value(of key: [UInt8], in object: Int) -> Int? {
        let end = end(of: object)
        var at = object + 1
        while at < end {
            if string(at: at, equals: key.span) { return at + 1 }
            at = position(after: at + 1)
        }
        return nil
    }

    private func element(_ wanted: Int, of array: Int) -> Int? {
        var index = 0
        var found: Int?
        _ = anyElement(of: array) { position in
            if index == wanted { found = position }
            index += 1
            return found != nil
        }
        return found
    }

    private func anyElement(of array: Int, where body: (Int) -> Bool) -> Bool {
        let end = end(of: array)
        var at = array + 1
        while at < end {
            if body(at) { return true }
            at = position(after: at)
        }
        return false
    }
}
