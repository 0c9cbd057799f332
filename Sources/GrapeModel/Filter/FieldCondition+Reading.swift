extension FilterReading {
    /// `{"key": …}` with one test. Qdrant accepts several and joins them by or, which few users expect: refused here.
    func fieldCondition(_ node: JSONDocument.Node, _ title: String) throws(GrapeError) -> FieldCondition {
        var fields = try ObjectReader(node, name: title)
        let path = try fields.path("key")
        var tests: [FieldTest] = []
        if let match = try fields.object("match") { tests.append(try self.match(match)) }
        if let range = try fields.object("range") { tests.append(try self.range(range)) }
        if let box = try fields.object("geo_bounding_box") { tests.append(.geo(try self.box(box))) }
        if let circle = try fields.object("geo_radius") { tests.append(.geo(try self.circle(circle))) }
        if let polygon = try fields.object("geo_polygon") { tests.append(.geo(try self.polygon(polygon))) }
        if let counts = try fields.object("values_count") { tests.append(.valuesCount(try self.counts(counts))) }
        if let isEmpty = try fields.bool("is_empty") { tests.append(.isEmpty(isEmpty)) }
        if let isNull = try fields.bool("is_null") { tests.append(.isNull(isNull)) }
        try fields.finish()
        guard tests.count == 1, let test = tests.first else {
            throw GrapeError(
                .invalidRequest,
                "\(title): expected one of match, range, geo_bounding_box, geo_radius, geo_polygon, values_count, "
                    + "is_empty, is_null beside key, found \(tests.isEmpty ? "none" : "\(tests.count)")")
        }
        return FieldCondition(path: path, test: test)
    }

    private func match(_ match: ObjectReader) throws(GrapeError) -> FieldTest {
        var match = match
        var tests: [FieldTest] = []
        if let node = match.node("value") { tests.append(.equals(try scalar(node, "\(match.title).value"))) }
        if let node = match.node("any") { tests.append(.any(try scalars(node, "\(match.title).any"))) }
        if let node = match.node("except") { tests.append(.except(try scalars(node, "\(match.title).except"))) }
        for key in ["text", "phrase"] {
            if let text = try match.string(key) { tests.append(.text(Array(text.utf8))) }
        }
        if let text = try match.string("text_any") {
            let words = text.split { $0.isWhitespace }
            tests.append(.textAny(words.map { Array($0.utf8) }))
        }
        try match.finish()
        guard tests.count == 1, let test = tests.first else {
            throw GrapeError(
                .invalidRequest, "\(match.title): expected one of value, any, except, text, phrase, text_any")
        }
        return test
    }

    func scalar(_ node: JSONDocument.Node, _ title: String) throws(GrapeError) -> FilterScalar {
        if let value = node.bool { return .bool(value) }
        if let number = node.number { return .number(number) }
        if let bytes = node.stringBytes { return .string(bytes) }
        throw GrapeError(
            .invalidRequest, "\(title): expected a string, a number or a boolean, found \(node.kindName)")
    }

    func scalars(_ node: JSONDocument.Node, _ title: String) throws(GrapeError) -> FilterScalarList {
        guard node.kind == .array else {
            throw GrapeError(.invalidRequest, "\(title): expected an array, found \(node.kindName)")
        }
        var scalars: [FilterScalar] = []
        for (index, element) in node.elements.enumerated() {
            scalars.append(try scalar(element, "\(title)[\(index)]"))
        }
        return FilterScalarList(scalars)
    }

    // MARK: Ranges

    enum Bound {
        case number(JSONNumber)
        case time(Timestamp)
    }

    /// Numbers, or moments where the bounds are strings. Without any bound every number is in the range.
    private func range(_ range: ObjectReader) throws(GrapeError) -> FieldTest {
        var range = range
        var numbers = FilterRange<JSONNumber>()
        var times = FilterRange<Timestamp>()
        var found = (numbers: false, times: false)
        for key in ["gt", "gte", "lt", "lte"] {
            guard let node = range.node(key) else { continue }
            switch try bound(node, key, range) {
            case .number(let number):
                numbers.set(key, number)
                found.numbers = true
            case .time(let time):
                times.set(key, time)
                found.times = true
            }
        }
        try range.finish()
        guard !found.numbers || !found.times else {
            throw GrapeError(.invalidRequest, "\(range.title): the bounds are all numbers or all datetimes, not both")
        }
        return found.times ? .timeRange(times) : .range(numbers)
    }

    func bound(
        _ node: JSONDocument.Node, _ key: String, _ range: ObjectReader
    ) throws(GrapeError) -> Bound {
        if let number = node.number { return .number(number) }
        guard let text = node.stringBytes else {
            throw range.failure(key, "expected a number or an RFC 3339 datetime, found \(node.kindName)")
        }
        guard let time = Timestamp(text.span) else {
            throw range.failure(key, "\"\(shortened(node.string ?? ""))\" is no RFC 3339 datetime")
        }
        return .time(time)
    }

    private func counts(_ counts: ObjectReader) throws(GrapeError) -> FilterRange<Int> {
        var counts = counts
        var range = FilterRange<Int>()
        for key in ["gt", "gte", "lt", "lte"] {
            if let value = try counts.integer(key, in: 0...Int.max) { range.set(key, value) }
        }
        try counts.finish()
        return range
    }

    // MARK: Geography

    private func box(_ box: ObjectReader) throws(GrapeError) -> GeoShape {
        var box = box
        let topLeft = try point(box.required("top_left"), "\(box.title).top_left")
        let bottomRight = try point(box.required("bottom_right"), "\(box.title).bottom_right")
        try box.finish()
        guard bottomRight.latitude <= topLeft.latitude else {
            throw GrapeError(.invalidRequest, "\(box.title): top_left is south of bottom_right")
        }
        return .box(topLeft: topLeft, bottomRight: bottomRight)
    }

    private func circle(_ circle: ObjectReader) throws(GrapeError) -> GeoShape {
        var circle = circle
        let center = try point(circle.required("center"), "\(circle.title).center")
        guard let radius = try circle.double("radius") else { throw circle.failure("radius", "is missing") }
        guard radius >= 0 else { throw circle.failure("radius", "expected metres from 0, found \(radius)") }
        try circle.finish()
        return .circle(center: center, radius: radius)
    }

    private func polygon(_ polygon: ObjectReader) throws(GrapeError) -> GeoShape {
        var polygon = polygon
        let exterior = try ring(polygon.required("exterior"), "\(polygon.title).exterior")
        var interiors: [[GeoPoint]] = []
        let nodes = try polygon.array("interiors", max: Limits.filterConditionsMax) ?? []
        for (index, node) in nodes.enumerated() {
            interiors.append(try ring(node, "\(polygon.title).interiors[\(index)]"))
        }
        try polygon.finish()
        return .polygon(exterior: exterior, interiors: interiors)
    }

    private func ring(_ node: JSONDocument.Node, _ title: String) throws(GrapeError) -> [GeoPoint] {
        var fields = try ObjectReader(node, name: title)
        let nodes = try fields.array("points", max: .max) ?? []
        try fields.finish()
        var points: [GeoPoint] = []
        for (index, node) in nodes.enumerated() { points.append(try point(node, "\(title).points[\(index)]")) }
        guard points.count >= 4, points.first == points.last else {
            throw GrapeError(
                .invalidRequest, "\(title): a ring has at least 4 points, the last the same as the first")
        }
        return points
    }

    private func point(_ node: JSONDocument.Node, _ title: String) throws(GrapeError) -> GeoPoint {
        var fields = try ObjectReader(node, name: title)
        let longitude = try degrees("lon", 180, &fields)
        let latitude = try degrees("lat", 90, &fields)
        try fields.finish()
        return GeoPoint(longitude: longitude, latitude: latitude)
    }

    private func degrees(_ key: String, _ limit: Double, _ fields: inout ObjectReader) throws(GrapeError) -> Double {
        guard let value = try fields.double(key) else { throw fields.failure(key, "is missing") }
        guard abs(value) <= limit else { throw fields.failure(key, "expected -\(limit) to \(limit), found \(value)") }
        return value
    }
}

extension FilterRange {
    /// Sets the bound of this name.
    mutating func set(_ name: String, _ value: Value) {
        switch name {
        case "gt": gt = value
        case "gte": gte = value
        case "lt": lt = value
        default: lte = value
        }
    }
}
