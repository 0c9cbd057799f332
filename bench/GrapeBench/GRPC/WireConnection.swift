import NIOCore

/// A connection over which a server is measured.
enum WireConnection: Sendable {
    case rest(HTTPConnection)
    case grpc(GRPCConnection)

    static func open(_ endpoint: Endpoint, over wire: WireProtocol, on loop: any EventLoop) async throws -> Self {
        switch wire {
        case .rest: .rest(try await HTTPConnection.open(endpoint, on: loop))
        case .grpc: .grpc(try await GRPCConnection.open(endpoint, on: loop))
        }
    }

    var isOpen: Bool {
        switch self {
        case .rest(let connection): connection.isOpen
        case .grpc(let connection): connection.isOpen
        }
    }

    nonisolated(nonsending) func exchange(_ request: HTTPRequest) async throws -> HTTPAnswer {
        switch self {
        case .rest(let connection): try await connection.exchange(request)
        case .grpc(let connection): try await connection.exchange(request)
        }
    }

    func close() async {
        switch self {
        case .rest(let connection): await connection.close()
        case .grpc(let connection): await connection.close()
        }
    }
}
