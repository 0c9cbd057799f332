import GrapeModel

/// A filter, put into the numbers of columns: whether a point matches is a matter of a few table look-ups.
package struct OrdinalMatch: Sendable {
    /// What the points of one column are asked.
    package struct Leaf: Sendable {
        package let column: OrdinalColumn
        /// By number: 1 where the value passes. What is beyond, or `unknown`, doesn't.
        package let passes: [UInt8]

        package init(column: OrdinalColumn, passes: [UInt8]) {
            self.column = column
            self.passes = passes
        }
    }

    /// A step of the evaluation, on a stack of truth values.
    package enum Step: Sendable, Hashable {
        /// Pushes what a leaf says.
        case leaf(Int)
        /// Pops `of` values, pushes whether `count` of them hold.
        case atLeast(count: Int, of: Int)
        case not
    }

    /// The stack is one word.
    package static let depthMax = 64

    package let leaves: [Leaf]
    package let steps: [Step]
    /// Points of other shards don't match; nil: all shards.
    package var shards: ShardSet?

    /// nil where the steps need more room than there is, or leave anything but one value.
    package init?(leaves: [Leaf], steps: [Step]) {
        var depth = 0
        for step in steps {
            switch step {
            case .leaf(let leaf):
                guard leaves.indices.contains(leaf) else { return nil }
                depth += 1
            case .atLeast(_, let count):
                guard count <= depth else { return nil }
                depth += 1 - count
            case .not: guard depth > 0 else { return nil }
            }
            guard depth <= Self.depthMax else { return nil }
        }
        guard depth == 1 else { return nil }
        self.leaves = leaves
        self.steps = steps
    }

    /// Whether all leaves have to hold, and nothing else.
    var isConjunction: Bool {
        steps == leaves.indices.map { .leaf($0) } + [.atLeast(count: leaves.count, of: leaves.count)]
    }
}
