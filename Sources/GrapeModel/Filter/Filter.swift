/// Which points a search, scroll or count is about, by payload and id: Qdrant's filter.
///
/// A point matches where all of `must`, at least one of `should` (if there are any), none of `mustNot`, and at least
/// `minShould.count` of `minShould.conditions` hold. The empty filter matches every point.
package struct Filter: Sendable, Hashable {
    package struct MinShould: Sendable, Hashable {
        package var conditions: [FilterCondition]
        package var count: Int

        package init(conditions: [FilterCondition], count: Int) {
            self.conditions = conditions
            self.count = count
        }
    }

    package var must: [FilterCondition]
    package var should: [FilterCondition]
    package var mustNot: [FilterCondition]
    package var minShould: MinShould?

    package init(
        must: [FilterCondition] = [], should: [FilterCondition] = [], mustNot: [FilterCondition] = [],
        minShould: MinShould? = nil
    ) {
        self.must = must
        self.should = should
        self.mustNot = mustNot
        self.minShould = minShould
    }

    /// Whether the answer depends on the payload; where not, it need not be fetched.
    package var readsPayload: Bool {
        Self.readPayload(must) || Self.readPayload(mustNot) || Self.readPayload(should)
            || Self.readPayload(minShould?.conditions ?? [])
    }

    private static func readPayload(_ conditions: [FilterCondition]) -> Bool {
        conditions.contains { condition in
            switch condition {
            case .hasID: false
            case .filter(let filter): filter.readsPayload
            case .field, .isEmpty, .isNull, .nested: true
            }
        }
    }
}

/// One condition of a filter.
package indirect enum FilterCondition: Sendable, Hashable {
    case field(FieldCondition)
    /// No value at the path, or only null and empty arrays.
    case isEmpty(PayloadPath)
    /// A null at the path itself; null elements of an array count where the path ends in `[]`.
    case isNull(PayloadPath)
    case hasID(Set<PointID>)
    case nested(NestedCondition)
    case filter(Filter)
}

/// One of the objects in the array at the path matches the filter, whose paths begin in that object.
package struct NestedCondition: Sendable, Hashable {
    /// Invariant: ends in `[]`.
    package let path: PayloadPath
    package let filter: Filter

    /// `path`: of the array, with or without `[]` at its end.
    package init(path: PayloadPath, filter: Filter) {
        self.path = path.elements
        self.filter = filter
    }
}

/// A test of the values at a path. Where a value is an array the test is of its elements, one of which must pass
/// (but `valuesCount`, `isEmpty`, `isNull` and `contains` look at the array itself).
package struct FieldCondition: Sendable, Hashable {
    package var path: PayloadPath
    package var test: FieldTest

    package init(path: PayloadPath, test: FieldTest) {
        self.path = path
        self.test = test
    }
}

package enum FieldTest: Sendable, Hashable {
    case equals(FilterScalar)
    case any(FilterScalarList)
    /// Any value but null and those of the list.
    case except(FilterScalarList)
    /// A string that contains these bytes; without a text index Qdrant compares so too, with regard to case.
    case text([UInt8])
    /// A string that contains one of these.
    case textAny([[UInt8]])
    /// An array with this element, or a string with this substring.
    case contains(FilterScalar)
    case range(FilterRange<JSONNumber>)
    case timeRange(FilterRange<Timestamp>)
    case geo(GeoShape)
    /// Elements of an array; null counts 0, any other value 1.
    case valuesCount(FilterRange<Int>)
    case isEmpty(Bool)
    case isNull(Bool)
}

/// Lower and upper bounds, each optional.
package struct FilterRange<Value: Comparable & Hashable & Sendable>: Sendable, Hashable {
    package var gt: Value?
    package var gte: Value?
    package var lt: Value?
    package var lte: Value?

    package init(gt: Value? = nil, gte: Value? = nil, lt: Value? = nil, lte: Value? = nil) {
        self.gt = gt
        self.gte = gte
        self.lt = lt
        self.lte = lte
    }

    package func contains(_ value: Value) -> Bool {
        if let gt, value <= gt { return false }
        if let gte, value < gte { return false }
        if let lt, value >= lt { return false }
        if let lte, value > lte { return false }
        return true
    }
}

/// What a payload's value can be compared with.
package enum FilterScalar: Sendable, Hashable {
    case bool(Bool)
    case number(JSONNumber)
    /// UTF-8.
    case string([UInt8])
}

/// A set of scalars, sorted by kind so that a value is looked up without a copy of it.
package struct FilterScalarList: Sendable, Hashable {
    package let strings: [[UInt8]]
    package let numbers: [JSONNumber]
    package let bools: Set<Bool>

    package init(_ scalars: some Sequence<FilterScalar>) {
        var strings: [[UInt8]] = []
        var numbers: [JSONNumber] = []
        var bools: Set<Bool> = []
        for scalar in scalars {
            switch scalar {
            case .string(let bytes): strings.append(bytes)
            case .number(let number): numbers.append(number)
            case .bool(let value): bools.insert(value)
            }
        }
        self.strings = strings.sorted { $0.lexicographicallyPrecedes($1) }
        self.numbers = numbers.sorted()
        self.bools = bools
    }

    func contains(_ number: JSONNumber) -> Bool {
        let index = Self.partition(numbers.count) { numbers[$0] < number }
        return index < numbers.count && numbers[index] == number
    }

    func contains(_ text: Span<UInt8>) -> Bool {
        let index = Self.partition(strings.count) { Self.order(strings[$0], text) < 0 }
        return index < strings.count && Self.order(strings[index], text) == 0
    }

    /// The first position of 0 ..< count that isn't before, where all that are before come first.
    private static func partition(_ count: Int, isBefore: (Int) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if isBefore(middle) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private static func order(_ left: [UInt8], _ right: Span<UInt8>) -> Int {
        for index in 0..<min(left.count, right.count) where left[index] != right[index] {
            return left[index] < right[index] ? -1 : 1
        }
        return left.count - right.count
    }
}
