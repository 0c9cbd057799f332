import GrapeProto
import NIOPosix
import SwiftProtobuf

/// Where the servers of gRPC endpoints answer REST: what isn't measured is asked there.
enum RESTEndpoints {
    static func of(_ endpoints: [Endpoint], _ wire: WireProtocol) async throws -> [Endpoint] {
        guard wire == .grpc else { return endpoints }
        var found: [Endpoint] = []
        for endpoint in endpoints { found.append(try await rest(of: endpoint)) }
        return found
    }

    private static func rest(of endpoint: Endpoint) async throws -> Endpoint {
        let connection = try await GRPCConnection.open(endpoint, on: MultiThreadedEventLoopGroup.singleton.next())
        let answer = try await connection.exchange(HTTPRequest(.POST, GRPCPath.clusterInfo))
        await connection.close()
        guard answer.isSuccess else { throw BenchFailure("\(endpoint): \(answer.text.prefix(500))") }
        let info = try Grape_V1_ClusterInfoResponse(serializedBytes: answer.bytes)
        guard let node = info.nodes.first(where: { $0.nodeID == info.nodeID }),
            let rest = Endpoint(text: "http://\(node.restAddress)")
        else { throw BenchFailure("\(endpoint): the server doesn't say where it answers REST") }
        return rest
    }
}
