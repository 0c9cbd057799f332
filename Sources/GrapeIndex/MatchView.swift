// HOT PATH
import CVectorKernels
import GrapeModel

/// An `OrdinalMatch` in plain memory, for the time of one search.
struct MatchView {
    private struct Leaf {
        let codes: OrdinalColumn.View
        let passes: UnsafeMutablePointer<UInt8>
        let count: UInt32
    }

    private let leaves: UnsafeMutableBufferPointer<Leaf>
    private let steps: UnsafeMutableBufferPointer<OrdinalMatch.Step>
    private let isConjunction: Bool
    private let shards: UnsafeMutableBufferPointer<UInt64>
    private let hasShards: Bool
    private let points: PointArena.View
    private let stamp: UInt64

    /// Lends a view to `body`.
    static func with<Result>(
        _ match: OrdinalMatch, points: PointArena.View, stamp: UInt64, _ body: (MatchView) -> Result
    ) -> Result {
        let view = MatchView(match, points: points, stamp: stamp)
        defer { view.deallocate() }
        return withExtendedLifetime(match) { body(view) }
    }

    private init(_ match: OrdinalMatch, points: PointArena.View, stamp: UInt64) {
        self.points = points
        self.stamp = stamp
        leaves = .allocate(capacity: match.leaves.count)
        for (place, leaf) in match.leaves.enumerated() {
            let passes = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, leaf.passes.count))
            leaf.passes.withUnsafeBufferPointer { source in
                guard let base = source.baseAddress else { return }
                passes.initialize(from: base, count: source.count)
            }
            leaves.initializeElement(
                at: place, to: Leaf(codes: leaf.column.view, passes: passes, count: UInt32(leaf.passes.count)))
        }
        steps = .allocate(capacity: match.steps.count)
        _ = steps.initialize(from: match.steps)
        isConjunction = match.isConjunction
        let numbers = match.shards?.sorted.map { Int($0.rawValue) } ?? []
        hasShards = match.shards != nil
        shards = .allocate(capacity: (numbers.last ?? 0) / 64 + 1)
        shards.initialize(repeating: 0)
        for number in numbers { shards[number / 64] |= 1 << UInt64(number % 64) }
    }

    private func deallocate() {
        for leaf in leaves { leaf.passes.deallocate() }
        leaves.deallocate()
        steps.deallocate()
        shards.deallocate()
    }

    /// What the columns say; the shard is not looked at.
    @inline(__always)
    func matchesFields(_ ordinal: UInt32) -> Bool {
        guard isConjunction else { return evaluate(ordinal) }
        for leaf in leaves where !passes(leaf, ordinal) { return false }
        return true
    }

    @inline(__always)
    func matches(_ ordinal: UInt32) -> Bool { matchesFields(ordinal) && (!hasShards || isOfShards(ordinal)) }

    /// Whether the point is an answer: a dead one may still be visible to the pin.
    @inline(__always)
    func isAnswer(_ ordinal: UInt32) -> Bool {
        matchesFields(ordinal) && points.isVisible(ordinal, at: stamp) && (!hasShards || isOfShards(ordinal))
    }

    @inline(__always)
    private func passes(_ leaf: Leaf, _ ordinal: UInt32) -> Bool {
        let code = leaf.codes.code(ordinal)
        return code < leaf.count && leaf.passes[Int(code)] != 0
    }

    @inline(never)
    private func isOfShards(_ ordinal: UInt32) -> Bool {
        let shard = Int(points.record(ordinal).pointee.shard)
        return shard / 64 < shards.count && shards[shard / 64] >> UInt64(shard % 64) & 1 == 1
    }

    @inline(never)
    private func evaluate(_ ordinal: UInt32) -> Bool {
        var stack: UInt64 = 0
        for step in steps {
            switch step {
            case .leaf(let leaf): stack = stack << 1 | (passes(leaves[leaf], ordinal) ? 1 : 0)
            case .atLeast(let count, let of):
                let mask: UInt64 = of == 64 ? .max : 1 << UInt64(of) - 1
                let held = (stack & mask).nonzeroBitCount
                stack = (of == 64 ? 0 : stack >> UInt64(of)) << 1 | (held >= count ? 1 : 0)
            case .not: stack ^= 1
            }
        }
        return stack & 1 == 1
    }
}

/// Points that match are answers; the walk goes through the others.
struct AdmitMatching: WalkAdmission {
    let view: MatchView

    @inline(__always)
    func admits(_ ordinal: UInt32) -> Bool { view.isAnswer(ordinal) }
}
