import GrapeModel

/// Puts a filter into steps over columns, each of its conditions a leaf.
struct FilterCompiler {
    private let fields: [[UInt8]: PayloadField]
    private var leaves: [OrdinalMatch.Leaf] = []
    private var steps: [OrdinalMatch.Step] = []

    private init(fields: [[UInt8]: PayloadField]) {
        self.fields = fields
    }

    /// nil where the filter is too large.
    static func match(_ filter: Filter, fields: [[UInt8]: PayloadField]) -> OrdinalMatch? {
        var compiler = FilterCompiler(fields: fields)
        compiler.add(filter)
        guard compiler.leaves.count <= IndexLimits.filterLeavesMax else { return nil }
        return OrdinalMatch(leaves: compiler.leaves, steps: compiler.steps)
    }

    /// The fields that a filter reads; nil where it asks for ids, which are in no field.
    static func keys(of filter: Filter) -> Set<[UInt8]>? {
        var keys: Set<[UInt8]> = []
        for condition in filter.must + filter.should + filter.mustNot + (filter.minShould?.conditions ?? []) {
            if case .filter(let inner) = condition {
                guard let inner = Self.keys(of: inner) else { return nil }
                keys.formUnion(inner)
            } else {
                guard let key = key(of: condition) else { return nil }
                keys.insert(key)
            }
        }
        return keys
    }

    private static func key(of condition: FilterCondition) -> [UInt8]? {
        let path: PayloadPath
        switch condition {
        case .field(let field): path = field.path
        case .isEmpty(let empty): path = empty
        case .isNull(let null): path = null
        case .nested(let nested): path = nested.path
        case .hasID, .filter: return nil
        }
        guard case .key(let key) = path.steps.first else { return nil }
        return key
    }

    private mutating func add(_ filter: Filter) {
        var terms = 0
        for condition in filter.must {
            add(condition, isNegated: false)
            terms += 1
        }
        for condition in filter.mustNot {
            add(condition, isNegated: true)
            terms += 1
        }
        if !filter.should.isEmpty {
            add(atLeast: 1, of: filter.should)
            terms += 1
        }
        if let minShould = filter.minShould {
            add(atLeast: minShould.count, of: minShould.conditions)
            terms += 1
        }
        steps.append(.atLeast(count: terms, of: terms))
    }

    private mutating func add(atLeast count: Int, of conditions: [FilterCondition]) {
        for condition in conditions { add(condition, isNegated: false) }
        steps.append(.atLeast(count: count, of: conditions.count))
    }

    private mutating func add(_ condition: FilterCondition, isNegated: Bool) {
        if case .filter(let inner) = condition {
            add(inner)
            if isNegated { steps.append(.not) }
            return
        }
        guard let key = Self.key(of: condition), let field = fields[key] else {
            preconditionFailure("a condition on a field that is not at hand")
        }
        var passes = field.passes(condition)
        if isNegated {
            // What is not known passes neither way.
            for code in passes.indices.dropFirst() { passes[code] ^= 1 }
        }
        steps.append(.leaf(leaves.count))
        leaves.append(OrdinalMatch.Leaf(column: field.column, passes: passes))
    }
}
