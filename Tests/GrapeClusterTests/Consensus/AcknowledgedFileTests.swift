import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeTestKit
import Glibc
import Testing

@Suite struct AcknowledgedFileTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func promise(_ term: UInt64, vote: UInt64, last: (UInt64, UInt64)) -> Acknowledgement {
        Acknowledgement(
            replica: ReplicaID(7), term: Term(term), vote: ReplicaID(vote),
            last: EntryID(term: Term(last.0), index: RaftIndex(last.1)))
    }

    @Test func `The newest promise of every group comes back`() throws {
        var twin: [LogGroup: Acknowledgement] = [:]
        var random = Xoshiro256(seed: 1)
        for _ in 0..<5 {
            let file = try AcknowledgedFile(directory: directory.path)
            #expect(file.found == twin)
            for step in 1...40 {
                let group = random.below(5) == 0 ? LogGroup.catalog : .shard(ShardID(UInt16(random.below(20))))
                let value = promise(
                    random.next(), vote: random.next(), last: (random.next(), random.next() &+ UInt64(step)))
                try file.write([group: value])
                twin[group] = value
            }
            try file.sync()
        }
    }

    @Test func `A torn write leaves the promise before it`() throws {
        let path = directory.path + "/acknowledged"
        for torn in 0..<4 {
            var file = try AcknowledgedFile(directory: directory.path)
            try file.write([.catalog: promise(1, vote: 1, last: (1, UInt64(torn + 1)))])
            let before = try #require(bytes(of: path))
            try file.write([.catalog: promise(2, vote: 1, last: (1, 99))])
            var after = try #require(bytes(of: path))
            let changed = try #require(after.indices.first { $0 >= before.count || before[$0] != after[$0] })
            after[changed + torn] ^= 0x10
            try write(after, to: path)
            file = try AcknowledgedFile(directory: directory.path)
            #expect(file.found[.catalog] == promise(1, vote: 1, last: (1, UInt64(torn + 1))))
        }
    }

    @Test func `Bytes that are no promises are passed over`() throws {
        var random = Xoshiro256(seed: 3)
        for length in [0, 1, 53, 54, 55, 4_000] {
            try write(
                (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) }, to: directory.path + "/acknowledged"
            )
            let file = try AcknowledgedFile(directory: directory.path)
            #expect(file.found.isEmpty)
            try file.write([.catalog: promise(1, vote: 0, last: (1, 1))])
            #expect(
                try AcknowledgedFile(directory: directory.path).found[.catalog] == promise(1, vote: 0, last: (1, 1)))
        }
    }

    @Test func `A log behind its promise is found out, one ahead of it is not`() {
        let given = promise(5, vote: 2, last: (4, 10))
        func isKept(_ term: UInt64, _ vote: UInt64, _ last: (UInt64, UInt64), base: UInt64 = 0) -> Bool {
            given.isKept(
                by: HardState(term: Term(term), vote: ReplicaID(vote)),
                base: EntryID(term: Term(1), index: RaftIndex(base)),
                last: EntryID(term: Term(last.0), index: RaftIndex(last.1)))
        }
        #expect(isKept(5, 2, (4, 10)))
        #expect(isKept(5, 2, (4, 11)))
        #expect(isKept(5, 2, (5, 3)), "a suffix of a later term took the place of the old one")
        #expect(isKept(6, 0, (4, 10)))
        #expect(isKept(6, 3, (4, 10)))
        #expect(!isKept(5, 2, (4, 9)))
        #expect(!isKept(5, 2, (3, 50)))
        #expect(isKept(5, 2, (3, 12), base: 12), "a snapshot covers what was promised")
        #expect(!isKept(5, 2, (3, 9), base: 9))
        #expect(!isKept(4, 2, (4, 10)))
        #expect(!isKept(5, 3, (4, 10)))
        #expect(!isKept(5, 0, (4, 10)))
        let voteless = promise(5, vote: 0, last: (4, 10))
        #expect(
            voteless.isKept(
                by: HardState(term: Term(5), vote: ReplicaID(9)), base: EntryID(term: .zero, index: .zero),
                last: voteless.last))
    }

    private func bytes(of path: String) -> [UInt8]? {
        let file = open(path, O_RDONLY)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = read(file, &bytes, bytes.count)
        return count < 0 ? nil : Array(bytes.prefix(count))
    }

    private func write(_ bytes: [UInt8], to path: String) throws {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        try #require(file >= 0)
        defer { close(file) }
        try #require(Glibc.write(file, bytes, bytes.count) == bytes.count)
    }
}
