import GrapeEngine
import GrapeModel
import GrapeStorage
import GrapeTestKit
import Testing

/// The reader answers with what a writer wrote, or with an error that names the place, whatever it is fed.
@Suite struct ExportReaderTests {
    private static let shard = ShardID(1)

    private func exports() throws -> (shard: [[UInt8]], catalog: [[UInt8]]) {
        let directory = try TemporaryDirectory()
        let engine = try EngineFixture.open(directory.path)
        var history = ExportHistory(seed: 5, dimension: 2, ids: 60)
        history.write(200)
        _ = try engine.apply(history.log.take())
        defer { try? EngineFixture.close(engine) }
        return (
            try ExportWorld.export(.shard(Self.shard), of: engine), try ExportWorld.export(.catalog, of: engine)
        )
    }

    /// All that a reader says of these bytes, fed in pieces.
    private func read(_ bytes: [UInt8], pieces: inout Xoshiro256) throws(ExportError) -> [ExportReader.Item] {
        var reader = ExportReader()
        var items: [ExportReader.Item] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = rest.prefix(pieces.within(1...max(1, bytes.count / 3)))
            rest = rest.dropFirst(piece.count)
            reader.feed(Array(piece))
            while let item = try reader.next() { items.append(item) }
        }
        try reader.finish()
        return items
    }

    private func records(_ items: [ExportReader.Item]) -> [ExportRecord] {
        items.flatMap { item -> [ExportRecord] in if case .records(let records) = item { records } else { [] } }
    }

    @Test func `Bytes in any pieces read the same, and as the document says`() throws {
        let exports = try exports()
        var random = Xoshiro256(seed: 1)
        for parts in [exports.shard, exports.catalog] {
            let whole = parts.flatMap { $0 }
            let items = try read(whole, pieces: &random)
            #expect(items.first == .header(try ExportHeader(encoded: parts[0])))
            #expect(items.last == .end)
            for _ in 0..<20 { #expect(try read(whole, pieces: &random) == items) }
            let body = Array(parts[0][16..<(parts[0].count - 4)])
            #expect(ExportByHand.header(body) == parts[0])
            var byHand: [ExportByHand.Record] = []
            for (number, block) in parts.dropFirst().dropLast().enumerated() {
                let content = try #require(ExportByHand.content(block, number: number, kind: 1))
                byHand += try #require(ExportByHand.records(content))
            }
            #expect(byHand.count == records(items).count)
            let points = records(items).filter { if case .point = $0 { true } else { false } }.count
            #expect(byHand.filter { $0.kind == 1 }.count == points)
            try checkFooter(parts, byHand, points)
        }
    }

    /// The footer, reckoned after the document.
    private func checkFooter(_ parts: [[UInt8]], _ records: [ExportByHand.Record], _ points: Int) throws {
        let number = parts.count - 2
        let footer = try #require(ExportByHand.content(parts[number + 1], number: number, kind: 2))
        let others = records.filter { $0.kind != 1 }
        var sum: UInt64 = 0
        for record in others { sum &+= XXH64.hash(record.bytes, seed: 3) }
        var chain = XXH64.hash(parts[0])
        for block in parts.dropFirst().dropLast() {
            let before = withUnsafeBytes(of: chain.littleEndian) { Array($0) }
            chain = XXH64.hash(before + block.prefix(20))
        }
        var expected = ExportByHand.bytes(points, 8) + ExportByHand.bytes(others.count, 8)
        expected += withUnsafeBytes(of: sum.littleEndian) { Array($0) }
        expected += ExportByHand.bytes(number, 4)
        expected += withUnsafeBytes(of: chain.littleEndian) { Array($0) }
        #expect(footer == expected)
    }

    // MARK: Damage

    @Test(arguments: 1...6 as ClosedRange<UInt64>)
    func `Any flip, cut, splice or swap is an error that says where`(seed: UInt64) throws {
        let exports = try exports()
        var random = Xoshiro256(seed: seed)
        for parts in [exports.shard, exports.catalog] {
            let whole = parts.flatMap { $0 }
            for _ in 0..<500 {
                let bytes = damaged(parts, whole, &random)
                guard bytes != whole else { continue }
                #expect(throws: ExportError.self) { try read(bytes, pieces: &random) }
            }
        }
    }

    private func damaged(_ parts: [[UInt8]], _ whole: [UInt8], _ random: inout Xoshiro256) -> [UInt8] {
        var bytes = whole
        switch random.below(7) {
        case 0: bytes[random.below(bytes.count)] ^= 1 << UInt8(random.below(8))
        case 1: bytes.removeLast(random.within(1...bytes.count))
        case 2:
            let at = random.below(bytes.count)
            bytes.removeSubrange(at..<min(bytes.count, at + random.within(1...64)))
        case 3:
            let at = random.below(bytes.count)
            bytes.insert(contentsOf: (0..<random.within(1...32)).map { _ in UInt8(random.below(256)) }, at: at)
        case 4:
            // Numbers that claim the most.
            let at = random.below(bytes.count - 4)
            bytes.replaceSubrange(at..<(at + 4), with: [0xff, 0xff, 0xff, UInt8(random.below(256))])
        case 5:
            var order = parts
            order.swapAt(random.below(parts.count), random.below(parts.count))
            bytes = order.flatMap { $0 }
        default:
            var order = parts
            order.insert(parts[random.below(parts.count)], at: random.within(0...parts.count))
            bytes = order.flatMap { $0 }
        }
        return bytes
    }

    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func `Hostile content under right checksums is an error or the same content`(seed: UInt64) throws {
        let parts = try exports().shard
        var random = Xoshiro256(seed: seed)
        let content = try #require(ExportByHand.content(parts[1], number: 0, kind: 1))
        let footer = try #require(ExportByHand.content(parts[2], number: 1, kind: 2))
        let body = Array(parts[0][16..<(parts[0].count - 4)])
        let expected = records(try read(parts.flatMap { $0 }, pieces: &random))
        var refused = 0
        for _ in 0..<1_500 {
            var (changedBody, changedContent, changedFooter) = (body, content, footer)
            switch random.below(3) {
            case 0: alter(&changedBody, &random)
            case 1: alter(&changedContent, &random)
            default: alter(&changedFooter, &random)
            }
            let bytes =
                ExportByHand.header(changedBody) + ExportByHand.block(0, kind: 1, changedContent)
                + ExportByHand.block(1, kind: 2, changedFooter)
            do throws(ExportError) {
                #expect(records(try read(bytes, pieces: &random)) == expected)
            } catch {
                refused += 1
            }
        }
        #expect(refused > 1_000)
    }

    private func alter(_ bytes: inout [UInt8], _ random: inout Xoshiro256) {
        for _ in 0..<random.within(1...3) where bytes.count > 4 {
            let at = random.below(bytes.count - 4)
            switch random.below(4) {
            case 0: bytes[at] ^= 1 << UInt8(random.below(8))
            case 1: bytes.replaceSubrange(at..<(at + 4), with: [0xff, 0xff, 0xff, UInt8(random.below(256))])
            case 2: bytes.remove(at: at)
            default: bytes.insert(UInt8(random.below(256)), at: at)
            }
        }
    }

    @Test func `A block that claims to hold far more than it has takes no memory for it`() throws {
        let parts = try exports().shard
        for raw in [48 << 20, 49 << 20, Int(UInt32.max)] {
            var reader = ExportReader()
            reader.feed(parts[0])
            _ = try reader.next()
            let front =
                ExportByHand.bytes(64, 4) + ExportByHand.bytes(0, 4) + [1, 1, 0, 0] + ExportByHand.bytes(raw, 4)
            let stored = [UInt8](repeating: 0xf0, count: 64)
            reader.feed(front + ExportByHand.bytes(Int(CRC32C.checksum(front + stored)), 4) + stored)
            #expect(throws: ExportError.damaged(.block(0, record: nil), "64 bytes can't hold \(raw)")) {
                try reader.next()
            }
        }
    }

    @Test func `Exports of a later build, and files that are none, are told apart from damage`() throws {
        let header = try exports().shard[0]
        let body = Array(header[16..<(header.count - 4)])
        var reader = ExportReader()
        reader.feed(ExportByHand.header(body, version: 2))
        #expect(throws: ExportError.newer(version: 2)) { try reader.next() }
        reader = ExportReader()
        reader.feed(Array("something else entirely".utf8))
        #expect(throws: ExportError.damaged(.header, "it does not begin like an export")) { try reader.next() }
        reader = ExportReader()
        #expect(throws: ExportError.damaged(.header, "cut off")) { try reader.finish() }
    }

    @Test func `The importer refuses hostile content as the reader does, and writes nothing of it`() throws {
        let parts = try exports().shard
        let directory = try TemporaryDirectory()
        let engine = try EngineFixture.open(directory.path)
        var random = Xoshiro256(seed: 8)
        let content = try #require(ExportByHand.content(parts[1], number: 0, kind: 1))
        for _ in 0..<200 {
            var changed = content
            alter(&changed, &random)
            guard changed != content else { continue }
            var rows = try ShardImport(parts[0], engine: engine)
            // A change that the sums do not see would be none; the footer's sum sees the rows that are not points.
            do throws(ExportError) {
                try rows.take(ExportByHand.block(0, kind: 1, changed))
                #expect(throws: ExportError.self) { try rows.take(parts[2]) }
                try rows.discard()
            } catch {
                #expect(rows.held == 0)
                #expect(try ExportWorld.generations(of: Self.shard, in: engine).isEmpty)
            }
        }
        try EngineFixture.close(engine)
    }
}
