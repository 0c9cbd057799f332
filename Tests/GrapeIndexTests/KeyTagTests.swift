import GrapeIndex
import GrapeModel
import Testing

@Suite struct KeyTagTests {
    @Test func `A key's tag leaves its bytes alone, whatever their number, and goes with the point`() throws {
        let clock = VisibilityClock()
        let index = try CollectionIndex(
            parameters: IndexParameters(dimension: 2, metric: .euclidean, m: 4, efConstruction: 16), clock: clock)
        let vector: [Float] = [1, 2]
        var staged: [(key: [UInt8], ordinal: Ordinal, tag: UInt8)] = []
        for count in [2, 9, 17, 255, 256, 257, 511, 512] {
            let key = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7 + count) }
            let tag = UInt8(count % 4)
            let ordinal = try index.stage(key: key.span, version: 1, shard: 0, vector: vector.span, tag: tag)
            staged.append((key, ordinal, tag))
        }
        for (key, ordinal, tag) in staged {
            index.withKey(of: ordinal) { bytes, found in
                #expect(found == tag)
                #expect(bytes.count == key.count)
            }
            for next in [3, 0, 1] as [UInt8] {
                index.setTag(of: ordinal, next)
                #expect(index.withKey(of: ordinal) { _, found in found } == next)
                #expect(index.key(of: ordinal) == key)
            }
            index.discard(ordinal)
            let again = try index.stage(key: key.span, version: 2, shard: 0, vector: vector.span)
            #expect(index.withKey(of: again) { _, found in found } == 0)
            index.discard(again)
        }
    }
}
