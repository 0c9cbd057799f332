import GrapeIndex
import Testing

struct BeamTests {
    @Test
    func `a beam keeps what sorting keeps`() {
        var generator = SplitMix64(seed: 4)
        for round in 0..<200 {
            var beam = Beam()
            defer { beam.deallocate() }
            let width = Int.random(in: 1...40, using: &generator)
            beam.reset(width: width)
            var model: [(distance: Float, ordinal: UInt32, isHidden: Bool)] = []
            for ordinal in 0..<UInt32(Int.random(in: 1...400, using: &generator)) {
                let distance = Float(Int.random(in: -50...50, using: &generator))
                let isHidden = round % 2 == 1 && Int.random(in: 0..<3, using: &generator) == 0
                guard distance < beam.bound else { continue }
                beam.insert(distance: distance, ordinal: ordinal, isHidden: isHidden)
                model.append((distance, ordinal, isHidden))
                model.sort { ($0.distance, $0.ordinal) < ($1.distance, $1.ordinal) }
                let answers = model.indices.filter { !model[$0].isHidden }
                if answers.count >= width { model = Array(model[...answers[width - 1]]) }
            }
            #expect(beam.count == model.count)
            for (position, entry) in model.enumerated() {
                #expect(beam.distance(at: position) == entry.distance && beam.ordinal(at: position) == entry.ordinal)
                #expect(beam.isHidden(at: position) == entry.isHidden)
            }
        }
    }

    @Test
    func `a reach keeps out what lies too far behind the answer that counts`() {
        var generator = SplitMix64(seed: 5)
        for round in 0..<200 {
            var beam = Beam()
            defer { beam.deallocate() }
            let width = Int.random(in: 1...40, using: &generator)
            let rank = Int.random(in: 1...12, using: &generator)
            beam.reset(width: width, reach: Beam.Reach(rank: rank, origin: -1, share: 0.25, rootShare: 0.125))
            var answers: [Float] = []
            var hidden: [Float] = []
            for ordinal in 0..<UInt32(300) {
                let distance = Float.random(in: -1...1, using: &generator)
                let isHidden = round % 2 == 1 && Int.random(in: 0..<3, using: &generator) == 0
                guard distance < beam.bound else { continue }
                beam.insert(distance: distance, ordinal: ordinal, isHidden: isHidden)
                if isHidden { hidden.append(distance) } else { answers.append(distance) }
                answers.sort()
                // No nearer than the answer that counts allows, and never farther than the width does.
                var nearest = Float.infinity
                if answers.count >= rank {
                    let length = answers[rank - 1] + 1
                    nearest = answers[rank - 1] + max(0.25 * length, 0.125 * length.squareRoot())
                }
                let widest = answers.count >= width ? answers[width - 1] : .infinity
                #expect(beam.bound >= min(nearest, widest) - 1e-6 && beam.bound <= widest)
                if hidden.isEmpty { #expect(abs(beam.bound - min(nearest, widest)) <= 1e-6 || beam.bound == widest) }
            }
            let bound = beam.bound
            var expanded: [UInt32] = []
            while let ordinal = beam.expandNext() { expanded.append(ordinal) }
            #expect(expanded.count == (0..<beam.count).filter { beam.distance(at: $0) <= bound }.count)
        }
    }

    @Test
    func `candidates are expanded once, nearest first, also those that come later`() {
        var beam = Beam()
        defer { beam.deallocate() }
        beam.reset(width: 10)
        beam.insert(distance: 5, ordinal: 5, isHidden: false)
        beam.insert(distance: 7, ordinal: 7, isHidden: true)
        #expect(beam.expandNext() == 5)
        beam.insert(distance: 6, ordinal: 6, isHidden: false)
        beam.insert(distance: 1, ordinal: 1, isHidden: false)
        #expect(beam.expandNext() == 1)
        #expect(beam.expandNext() == 6)
        #expect(beam.expandNext() == 7)
        #expect(beam.expandNext() == nil)
    }

    @Test
    func `ordered bits order as the floats do`() {
        let values: [Float] = [
            -.greatestFiniteMagnitude, -1, -.leastNonzeroMagnitude, 0, .leastNonzeroMagnitude, 1,
            .greatestFiniteMagnitude,
        ]
        let bits = values.map(Beam.orderedBits)
        #expect(bits == bits.sorted() && Set(bits).count == bits.count)
        for value in values { #expect(Beam.distance(UInt64(Beam.orderedBits(value)) << 32) == value) }
    }

    @Test
    func `heaps give what sorting gives`() {
        var generator = SplitMix64(seed: 9)
        for _ in 0..<100 {
            let count = Int.random(in: 0...300, using: &generator)
            let capacity = Int.random(in: 1...80, using: &generator)
            var heap = CandidateHeap(capacity: capacity)
            var entries: [UInt64] = []
            for ordinal in 0..<UInt32(count) {
                let distance = Float.random(in: -1...1, using: &generator)
                heap.insert(distance: distance, ordinal: ordinal)
                entries.append(CandidateHeap.entry(distance: distance, ordinal: ordinal))
            }
            let sorted = entries.sorted()
            #expect(heap.sorted() == Array(sorted.prefix(capacity)))
            var nearest = NearestFirst(&entries)
            var taken: [UInt64] = []
            while let entry = nearest.next() { taken.append(entry) }
            #expect(taken == sorted)
        }
    }

    @Test
    func `a key table holds what a dictionary holds`() {
        var generator = SplitMix64(seed: 12)
        let table = KeyTable()
        var model: [UInt32: UInt32] = [:]
        var owner: [UInt32: UInt32] = [:]
        for ordinal in 0..<UInt32(20_000) {
            let key = UInt32.random(in: 0..<700, using: &generator)
            // Hashes collide on purpose.
            let hash = key % 97 &* 0x0100_0193
            let isSame = { (other: UInt32) in owner[other] == key }
            switch UInt8.random(in: 0..<3, using: &generator) {
            case 0:
                #expect(table.remove(hash: hash, where: isSame) == model.removeValue(forKey: key))
            case 1:
                #expect(table.find(hash: hash, where: isSame) == model[key])
            default:
                owner[ordinal] = key
                #expect(
                    table.insert(hash: hash, ordinal: ordinal, where: isSame) == model.updateValue(ordinal, forKey: key)
                )
            }
            #expect(table.count == model.count)
        }
    }
}
