import GrapeIndex
import Testing

/// Lists of a walk and of the tail become one. (A point that was put back at the end of the tail, while a search read
/// it, once came twice: the hammer found it on a loaded machine.)
struct MergeTests {
    @Test func `equal entries stay once, wherever they come from`() {
        #expect(CollectionIndex.mergeDistinct([], []) == [])
        #expect(CollectionIndex.mergeDistinct([1, 3], [2, 2, 3, 3, 4]) == [1, 2, 3, 4])
        #expect(CollectionIndex.mergeDistinct([], [5, 5]) == [5])
    }

    @Test func `random lists merge as a set does`() {
        var generator = SplitMix64(seed: 5)
        for _ in 0..<1_000 {
            let lists = (0..<2).map { _ in
                (0..<Int.random(in: 0..<12, using: &generator)).map { _ in UInt64.random(in: 0..<20, using: &generator)
                }
                .sorted()
            }
            #expect(CollectionIndex.mergeDistinct(lists[0], lists[1]) == Set(lists[0] + lists[1]).sorted())
        }
    }
}
