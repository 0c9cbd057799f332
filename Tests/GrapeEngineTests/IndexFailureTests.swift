import Foundation
import GrapeEngine
import GrapeModel
import GrapeTestKit
import Glibc
import Testing

/// Rows that an index had no memory for.
@Suite struct IndexFailureTests {
    @Test func `An index without memory stops apply for good, and a restart heals it`() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            var engine = try EngineFixture.open(directory.path, shards: 1)
            var log = TestLog()
            log.create(dimension: 32_768)
            _ = try engine.apply(log.take())
            log.append(LogEntry(.none, .put(1, [Float](repeating: 1, count: 32_768))), ShardID(0))
            // Room for all but a chunk of an index, which takes half a gigabyte of addresses.
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
            let before = limit
            limit.rlim_cur = try addressBytes() + 128 << 20
            setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
            let write = log.take()
            #expect(throws: ApplyError.self) { try engine.apply(write) }
            limit = before
            setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
            log.append(LogEntry(.none, .put(2, [Float](repeating: 2, count: 32_768))), ShardID(0))
            let later = log.take()
            do throws(ApplyError) {
                _ = try engine.apply(later)
                Issue.record("apply went on")
            } catch {
                guard case .index = error else { throw error }
            }
            try EngineFixture.close(engine)
            engine = try EngineFixture.open(directory.path, shards: 1)
            #expect(engine.appliedIndex(of: .shard(ShardID(0))) == LogIndex(1))
            _ = try engine.apply(later)
            let collection = try #require(engine.collection(EngineFixture.collection))
            let found = try engine.search(
                SearchRequest(vector: [Float](repeating: 1, count: 32_768), limit: 5), in: collection)
            #expect(found.map(\.id.id) == [.integer(1), .integer(2)])
            try EngineFixture.close(engine)
        }
    }
}

/// Bytes of addresses that the process has taken.
private func addressBytes() throws -> rlim_t {
    let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
    let pages = try #require(text.split(separator: " ").first.flatMap { rlim_t($0) })
    return pages * rlim_t(sysconf(Int32(_SC_PAGESIZE)))
}
