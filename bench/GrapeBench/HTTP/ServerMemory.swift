import GrapeModel
import NIOPosix

/// What servers say that they hold in memory.
enum ServerMemory {
    /// `memory.total_bytes` of /stats, of all of them; nil if one doesn't say.
    static func bytes(of endpoints: [Endpoint]) async -> Int? {
        var total = 0
        for endpoint in endpoints {
            guard let bytes = try? await bytes(of: endpoint) else { return nil }
            total += bytes
        }
        return total
    }

    private static func bytes(of endpoint: Endpoint) async throws -> Int? {
        let connection = try await HTTPConnection.open(endpoint, on: MultiThreadedEventLoopGroup.singleton.next())
        let answer = try await connection.exchange(HTTPRequest(.GET, "/stats"), timeoutSeconds: 10)
        await connection.close()
        guard answer.isSuccess else { return nil }
        let document = try JSONDocument(parsing: answer.bytes)
        return document.root.field("memory")?.field("total_bytes")?.int64.map { Int($0) }
    }
}
