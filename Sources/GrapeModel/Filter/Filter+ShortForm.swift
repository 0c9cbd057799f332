/// Operators of the short form.
enum ShortOperator: String, CaseIterable {
    case eq, ne, gt, gte, lt, lte
    case isIn = "in"
    case contains
}

extension FilterReading {
    /// `{"conditions":[{"field","operator","value"}]}`, all of which must hold, as the same filter in Qdrant's terms.
    ///
    /// 1. `eq`, `in`: a match of the value, or of one of the values. 2. `ne`: none of the field's values is equal, so it
    /// holds too where the field is missing. 3. `gt`, `gte`, `lt`, `lte`: a range of numbers or, where the value is a
    /// string, of datetimes. 4. `contains`: an array with this element, or a string with this substring.
    mutating func shortForm(_ node: JSONDocument.Node, _ title: String) throws(GrapeError) -> Filter {
        var fields = try ObjectReader(node, name: title)
        let list = try fields.array("conditions", max: .max) ?? []
        try fields.finish()
        var filter = Filter()
        for (index, element) in list.enumerated() {
            let title = "\(title).conditions[\(index)]"
            try count(title)
            try add(element, title, to: &filter)
        }
        return filter
    }

    private func add(
        _ node: JSONDocument.Node, _ title: String, to filter: inout Filter
    ) throws(GrapeError) {
        var fields = try ObjectReader(node, name: title)
        let path = try fields.path("field")
        _ = try fields.required("operator")
        let shortOperator = try fields.choice("operator", default: ShortOperator.eq)
        let value = try fields.required("value")
        try fields.finish()
        let test = try test(shortOperator, value, fields)
        let condition = FilterCondition.field(FieldCondition(path: path, test: test))
        if shortOperator == .ne { filter.mustNot.append(condition) } else { filter.must.append(condition) }
    }

    private func test(
        _ shortOperator: ShortOperator, _ value: JSONDocument.Node, _ fields: ObjectReader
    ) throws(GrapeError) -> FieldTest {
        let title = "\(fields.title): field value"
        switch shortOperator {
        case .eq, .ne: return .equals(try scalar(value, title))
        case .isIn: return .any(try scalars(value, title))
        case .contains: return .contains(try scalar(value, title))
        case .gt, .gte, .lt, .lte: return try bounded(by: value, shortOperator.rawValue, fields)
        }
    }

    private func bounded(
        by value: JSONDocument.Node, _ name: String, _ fields: ObjectReader
    ) throws(GrapeError) -> FieldTest {
        switch try bound(value, "value", fields) {
        case .number(let number):
            var range = FilterRange<JSONNumber>()
            range.set(name, number)
            return .range(range)
        case .time(let time):
            var range = FilterRange<Timestamp>()
            range.set(name, time)
            return .timeRange(range)
        }
    }
}
