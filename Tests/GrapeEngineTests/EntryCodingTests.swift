import GrapeModel
import GrapeTestKit
import Testing

import GrapeEngine

/// What is written to the log and to rows comes back as it was, and damaged bytes are refused, never trusted.
@Suite struct EntryCodingTests {
    private func randomID(_ random: inout some RandomNumberGenerator) throws -> WrittenID {
        switch Int.random(in: 0..<4, using: &random) {
        case 0: WrittenID(number: .random(in: 0 ... .max, using: &random))
        case 1: try WrittenID(text: "\(UInt64.random(in: 0 ... .max, using: &random))")
        case 2: try WrittenID(text: "A8098C1A-F86E-11DA-BD1A-00112444BE1E")
        default: try WrittenID(text: "doc/ü-\(Int.random(in: 0..<100, using: &random))")
        }
    }

    private func randomEntry(_ random: inout some RandomNumberGenerator) throws -> LogEntry {
        let collection = CollectionID(.random(in: 1...9, using: &random))
        let command: ShardCommand
        switch Int.random(in: 0..<4, using: &random) {
        case 0:
            var points: [PointWrite] = []
            for _ in 0..<Int.random(in: 0..<5, using: &random) {
                var block: [UInt8] = []
                let values = (0..<Int.random(in: 1..<9, using: &random)).map { _ in
                    Float.random(in: -1...1, using: &random)
                }
                VectorBlock.encode([PositionedVector(position: 0, values: values)], into: &block)
                points.append(PointWrite(id: try randomID(&random), vectorBlock: block, payload: .empty))
            }
            command = .upsert(collection, points)
        case 1:
            let count = Int.random(in: 0..<5, using: &random)
            command = .delete(collection, try (0..<count).map { _ in try randomID(&random).id })
        case 2:
            command = .piece(number: 3, count: 7, bytes: (0..<9).map { _ in .random(in: 0...255, using: &random) })
        default:
            command = .fence(CatalogVersion(7), dropping: Bool.random(using: &random) ? collection : nil)
        }
        return LogEntry(
            catalogVersion: CatalogVersion(.random(in: 0...9, using: &random)),
            epoch: ShardEpoch(.random(in: 0...3, using: &random)),
            origin: WriteOrigin(incarnation: 1, sequence: 2, lowestOpen: 0),
            idempotencyKey: Bool.random(using: &random) ? Array("key".utf8) : [], command: command)
    }

    @Test func `A log entry comes back as it was written`() throws {
        var random = Xoshiro256(seed: 11)
        for _ in 0..<2_000 {
            let entry = try randomEntry(&random)
            #expect(LogEntry(encoded: entry.encoded) == entry)
        }
    }

    @Test func `A cut or altered entry is refused or is another entry, and never traps`() throws {
        var random = Xoshiro256(seed: 12)
        for _ in 0..<2_000 {
            var bytes = try randomEntry(&random).encoded
            if Bool.random(using: &random) {
                bytes.removeLast(Int.random(in: 1...bytes.count, using: &random))
                #expect(LogEntry(encoded: bytes) == nil)
            } else {
                bytes[Int.random(in: bytes.indices, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                _ = LogEntry(encoded: bytes)
            }
        }
    }

    @Test func `An entry of an unknown format or kind is refused`() throws {
        var random = Xoshiro256(seed: 13)
        var bytes = try randomEntry(&random).encoded
        bytes[0] = 2
        #expect(LogEntry(encoded: bytes) == nil)
        bytes[0] = 1
        bytes[1] = 99
        #expect(LogEntry(encoded: bytes) == nil)
    }

    @Test func `Every outcome comes back from its bytes, and cut ones are refused`() {
        let outcomes: [ApplyOutcome] = [
            .upserted(7), .deleted([]), .deleted((0..<19).map { $0 % 3 == 0 }), .fenced,
            .staleCatalog(CatalogVersion(9)), .keyReused, .staleEpoch(ShardEpoch(4)), .forgotten, .pending, .nothing,
            .catalog(.notFound), .catalog(.done(CollectionID(3), CatalogVersion(8))),
        ]
        for outcome in outcomes {
            var bytes: [UInt8] = []
            outcome.encode(into: &bytes)
            var reader = ByteReader(bytes)
            #expect(ApplyOutcome(reader: &reader) == outcome)
            #expect(reader.isAtEnd)
            var cut = ByteReader(Array(bytes.dropLast()))
            #expect(ApplyOutcome(reader: &cut) == nil)
        }
    }

    @Test func `A long entry travels in pieces that make the whole again`() throws {
        var random = Xoshiro256(seed: 16)
        for _ in 0..<200 {
            let entry = try randomEntry(&random)
            if case .piece = entry.command { continue }
            let most = Int.random(in: 60...300, using: &random)
            let pieces = entry.encodedPieces(entryBytesMax: most)
            #expect(pieces.allSatisfy { $0.count <= most })
            guard pieces.count > 1 else {
                #expect(pieces == [entry.encoded])
                continue
            }
            var whole: [UInt8] = []
            for (place, piece) in pieces.enumerated() {
                guard let piece = LogEntry(encoded: piece), case .piece(place, pieces.count, let bytes) = piece.command
                else {
                    Issue.record("piece \(place) is none")
                    continue
                }
                #expect(piece.origin == entry.origin && piece.epoch == entry.epoch)
                whole += bytes
            }
            #expect(whole == entry.encoded)
        }
    }

    @Test func `A point row comes back with its form, versions, hash and payload`() throws {
        var random = Xoshiro256(seed: 14)
        for _ in 0..<500 {
            let row = PointRow(
                form: try randomID(&random).form, vectorVersion: LogIndex(3), version: LogIndex(.max),
                hash: .random(in: 0 ... .max, using: &random), payload: Payload(uncheckedJSON: Array("{\"a\":1}".utf8)))
            let bytes = row.encoded
            #expect(PointRow(encoded: bytes) == row)
            let hash = PointRow.hash(of: bytes.span)
            #expect(hash == row.hash)
            let offset = PointRow.payloadOffset(of: bytes.span)
            let start = try #require(offset)
            #expect(Array(bytes[start...]) == row.payload.json)
        }
    }

    @Test func `Vectors come back bit for bit`() throws {
        let vectors = [
            PositionedVector(position: 0, values: [1, -0.0, .leastNonzeroMagnitude]),
            PositionedVector(position: 5, values: [.greatestFiniteMagnitude]),
        ]
        var bytes = VectorRow.header(version: LogIndex(77))
        VectorBlock.encode(vectors, into: &bytes)
        let version = VectorRow.version(of: bytes.span)
        #expect(version == LogIndex(77))
        let read = VectorRow.vectors(of: bytes.span)
        #expect(read == vectors)
        bytes.removeLast()
        let cut = VectorRow.vectors(of: bytes.span)
        #expect(cut == nil)
    }

    @Test func `Keys sort as shard, generation, collection and id`() throws {
        var random = Xoshiro256(seed: 15)
        let ids = try (0..<200).map { _ in try randomID(&random).id }.sorted()
        let prefix = RowKeyPrefix(shard: ShardID(3), generation: .first, collection: CollectionID(9))
        let keys = ids.map { prefix.key(of: $0) }
        #expect(keys == keys.sorted { $0.lexicographicallyPrecedes($1) })
        for key in keys {
            #expect(prefix.lowerBound.lexicographicallyPrecedes(key))
            #expect(key.lexicographicallyPrecedes(prefix.upperBound))
        }
    }

    @Test func `The shard of a point never changes`() {
        #expect(ShardHash.shard(of: PointID.integer(7).encoded, in: CollectionID(1), count: 16) == ShardID(9))
        let shards = (0..<10_000).map {
            ShardHash.shard(of: PointID.integer($0).encoded, in: CollectionID(1), count: 16)
        }
        let counts = Dictionary(grouping: shards, by: \.self).mapValues(\.count)
        #expect(counts.count == 16)
        #expect(counts.values.allSatisfy { (500...750).contains($0) })
    }
}
