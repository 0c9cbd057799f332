import NIOCore
import NIOPosix
import Synchronization

/// The ports of one node on 127.0.0.1.
///
/// They stay the same over all restarts, so they lie below the range from which the system takes ports for outgoing
/// connections: there, another connection could take a dead node's port before the node is back.
package struct NodePorts: Sendable, Hashable {
    package let rest: Int
    package let grpc: Int
    package let raft: Int
    package let metrics: Int

    private static let range = 12_000...31_000
    private static let attemptsMax = 2_000

    struct NoneFree: Error {}

    /// Ports are bound long after they were found free, so none is given to two clusters of this process.
    private static let taken = Mutex<Set<Int>>([])

    /// Ports that nobody listens on at this moment, for so many nodes, all of them different.
    static func free(nodes: Int) async throws -> [NodePorts] {
        var random = SystemRandomNumberGenerator()
        var found: [Int] = []
        for _ in 0..<attemptsMax where found.count < 4 * nodes {
            let port = Int.random(in: range, using: &random)
            guard taken.withLock({ $0.insert(port).inserted }) else { continue }
            if await isFree(port) { found.append(port) }
        }
        guard found.count == 4 * nodes else { throw NoneFree() }
        return (0..<nodes).map { node in
            let own = found[(4 * node)...]
            let first = own.startIndex
            return NodePorts(rest: own[first], grpc: own[first + 1], raft: own[first + 2], metrics: own[first + 3])
        }
    }

    private static func isFree(_ port: Int) async -> Bool {
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        guard let channel = try? await bootstrap.bind(host: "127.0.0.1", port: port).get() else { return false }
        try? await channel.close().get()
        return true
    }
}
