import GrapeIndex
import GrapeModel
import Synchronization
import Testing

struct VisibilityTests {
    @Test
    func `a pin goes on showing what it showed`() throws {
        let index = try CollectionIndex(2, .euclidean)
        let first = try index.put(1, [1, 0], version: 10)
        let before = index.clock.pin()
        try index.put(1, [2, 0], version: 11)
        index.drop(2)
        let after = index.clock.pin()
        #expect(index.search([0, 0].span, limit: 5, pin: before).map(\.version) == [10])
        #expect(index.search([0, 0].span, limit: 5, pin: after).map(\.version) == [11])
        #expect(index.version(ofKey: Fixture.key(1).span) == 11)
        #expect(index.ordinal(ofKey: Fixture.key(1).span, pin: before) == nil)
        for _ in 0..<5 { index.sweep(thorough: true) }
        #expect(index.search([0, 0].span, limit: 5, pin: before).map(\.ordinal) == [first])
        #expect(index.counts.dead == 1)
    }

    @Test
    func `a batch over two indexes shows at once`() throws {
        let clock = VisibilityClock()
        let one = try CollectionIndex(1, .euclidean, clock: clock)
        let other = try CollectionIndex(1, .euclidean, clock: clock)
        let a = try one.stage(key: Fixture.key(1).span, version: 1, shard: 3, vector: [1].span)
        let b = try other.stage(key: Fixture.key(1).span, version: 1, shard: 3, vector: [1].span)
        #expect(one.find([1], limit: 1).isEmpty)
        clock.publish { stamp in
            one.birth(a, at: stamp)
            #expect(one.search([1].span, limit: 1, pin: clock.pin()).isEmpty)
            other.birth(b, at: stamp)
        }
        #expect(one.find([1], limit: 1) == [1] && other.find([1], limit: 1) == [1])
        #expect(one.shard(of: a) == 3 && one.key(of: a) == Fixture.key(1))
    }

    @Test
    func `staged points that are discarded leave nothing`() throws {
        let index = try CollectionIndex(1, .euclidean)
        for _ in 0..<10_000 {
            index.discard(try index.stage(key: Fixture.key(1).span, version: 1, shard: 0, vector: [1].span))
        }
        #expect(index.counts.live == 0 && !index.contains(key: Fixture.key(1).span))
        #expect(index.memory.vectorsBytes == 0)
    }

    @Test
    func `more pins than slots are all counted`() {
        let clock = VisibilityClock()
        clock.publish { _ in }
        var pins = (0..<500).map { _ in clock.pin() }
        for _ in 0..<10 { clock.publish { _ in } }
        #expect(clock.oldestPin.rawValue == 1)
        pins.removeFirst(499)
        #expect(clock.oldestPin.rawValue == 1)
        pins.removeAll()
        #expect(clock.oldestPin.rawValue == 11 && clock.published.rawValue == 11)
    }

    @Test
    func `no pin is overlooked by whoever asks for the oldest`() {
        let clock = VisibilityClock()
        let stop = Atomic<Bool>(false)
        let violations = Atomic<Int>(0)
        let freed = Atomic<UInt64>(0)
        Fixture.inParallel([
            {
                for _ in 0..<20_000 {
                    clock.publish { _ in }
                    freed.store(clock.oldestPin.rawValue, ordering: .sequentiallyConsistent)
                }
                stop.store(true, ordering: .sequentiallyConsistent)
            },
            {
                while !stop.load(ordering: .sequentiallyConsistent) {
                    let pin = clock.pin()
                    // What was freed lies before the oldest pin; this pin is one.
                    for _ in 0..<20 where freed.load(ordering: .sequentiallyConsistent) > pin.stamp.rawValue {
                        violations.wrappingAdd(1, ordering: .relaxed)
                    }
                    withExtendedLifetime(pin) {}
                }
            },
        ])
        #expect(violations.load(ordering: .relaxed) == 0)
    }
}
