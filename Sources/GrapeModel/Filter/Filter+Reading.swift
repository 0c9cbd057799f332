extension Filter {
    /// Reads a request's filter: Qdrant's form (`must`, `should`, `must_not`, `min_should`) or the short one
    /// (`{"conditions":[{"field","operator","value"}]}`).
    ///
    /// Throws `.invalidRequest` naming the place: `filter.must[2].range: unknown field "gtt" (did you mean "gt"?)`.
    package init(_ node: JSONDocument.Node) throws(GrapeError) {
        var reading = FilterReading()
        self = try reading.filter(node, "filter")
    }
}

/// Reads the parts of a filter and counts its conditions.
struct FilterReading {
    private var conditionCount = 0

    mutating func filter(_ node: JSONDocument.Node, _ title: String) throws(GrapeError) -> Filter {
        if node.field("conditions") != nil { return try shortForm(node, title) }
        var fields = try ObjectReader(node, name: title)
        var filter = Filter()
        filter.must = try conditions(fields.node("must"), "\(title).must")
        filter.should = try conditions(fields.node("should"), "\(title).should")
        filter.mustNot = try conditions(fields.node("must_not"), "\(title).must_not")
        if var minShould = try fields.object("min_should") {
            let conditions = try conditions(minShould.required("conditions"), "\(title).min_should.conditions")
            guard let count = try minShould.integer("min_count", in: 0...Limits.filterConditionsMax) else {
                throw minShould.failure("min_count", "is missing")
            }
            try minShould.finish()
            filter.minShould = .init(conditions: conditions, count: count)
        }
        try fields.finish()
        return filter
    }

    /// A list of conditions, or one by itself.
    private mutating func conditions(
        _ node: JSONDocument.Node?, _ title: String
    ) throws(GrapeError) -> [FilterCondition] {
        guard let node else { return [] }
        switch node.kind {
        case .object: return [try condition(node, title)]
        case .array:
            var conditions: [FilterCondition] = []
            for (index, element) in node.elements.enumerated() {
                conditions.append(try condition(element, "\(title)[\(index)]"))
            }
            return conditions
        default:
            throw GrapeError(.invalidRequest, "\(title): expected a condition or an array, found \(node.kindName)")
        }
    }

    private mutating func condition(_ node: JSONDocument.Node, _ title: String) throws(GrapeError) -> FilterCondition {
        try count(title)
        guard node.kind == .object else {
            throw GrapeError(.invalidRequest, "\(title): expected a condition, an object, found \(node.kindName)")
        }
        if node.field("key") != nil { return .field(try fieldCondition(node, title)) }
        if node.field("is_empty") != nil { return .isEmpty(try pathCondition(node, "is_empty", title)) }
        if node.field("is_null") != nil { return .isNull(try pathCondition(node, "is_null", title)) }
        if node.field("has_id") != nil { return .hasID(try hasID(node, title)) }
        if node.field("nested") != nil { return .nested(try nested(node, title)) }
        if ["conditions", "must", "should", "must_not", "min_should"].contains(where: { node.field($0) != nil }) {
            return .filter(try filter(node, title))
        }
        try Self.refuseUnknown(node, title)
        return .filter(Filter())
    }

    /// A condition without any of the keys that say what kind it is.
    private static func refuseUnknown(_ node: JSONDocument.Node, _ title: String) throws(GrapeError) {
        var fields = try ObjectReader(node, name: title)
        fields.allow("key", "is_empty", "is_null", "has_id", "nested", "must", "should", "must_not", "min_should")
        try fields.finish()
    }

    mutating func count(_ title: String) throws(GrapeError) {
        conditionCount += 1
        guard conditionCount <= Limits.filterConditionsMax else {
            throw GrapeError(
                .invalidRequest, "\(title): a filter has at most \(Limits.filterConditionsMax) conditions")
        }
    }

    private func pathCondition(
        _ node: JSONDocument.Node, _ key: String, _ title: String
    ) throws(GrapeError) -> PayloadPath {
        var fields = try ObjectReader(node, name: title)
        let inner = try fields.required(key)
        try fields.finish()
        var innerFields = try ObjectReader(inner, name: "\(title).\(key)")
        let path = try innerFields.path("key")
        try innerFields.finish()
        return path
    }

    private func hasID(_ node: JSONDocument.Node, _ title: String) throws(GrapeError) -> Set<PointID> {
        var fields = try ObjectReader(node, name: title)
        let list = try fields.array("has_id", max: .max) ?? []
        try fields.finish()
        var ids: Set<PointID> = []
        for (index, element) in list.enumerated() {
            do {
                ids.insert(try WrittenID(element).id)
            } catch {
                throw GrapeError(.invalidRequest, "\(title).has_id[\(index)]: \(error.message)")
            }
        }
        return ids
    }

    private mutating func nested(_ node: JSONDocument.Node, _ title: String) throws(GrapeError) -> NestedCondition {
        var fields = try ObjectReader(node, name: title)
        let inner = try fields.required("nested")
        try fields.finish()
        var innerFields = try ObjectReader(inner, name: "\(title).nested")
        let path = try innerFields.path("key")
        let filter = try filter(innerFields.required("filter"), "\(title).nested.filter")
        try innerFields.finish()
        return NestedCondition(path: path, filter: filter)
    }
}

extension ObjectReader {
    /// A path to a payload field, which must be there.
    mutating func path(_ key: String) throws(GrapeError) -> PayloadPath {
        let text = try requiredString(key)
        do {
            return try PayloadPath(text)
        } catch {
            throw failure(key, error.message)
        }
    }
}
