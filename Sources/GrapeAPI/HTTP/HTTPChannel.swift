import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOSSL

/// How Hummingbird's server makes the pipeline of an accepted connection: byte counts, HTTP codec, `ConnectionHandler`.
///
/// Hummingbird's own HTTP channel is not used: it answers malformed requests without a body, has no deadline for a
/// whole request, and hands every part of a request from thread to thread where this one hands over the whole request.
struct HTTPChannel<Service: HTTPService>: ServerChildChannel {
    struct Connection: ServerChildChannelValue {
        let channel: any Channel
    }

    let service: Service
    let limits: ConnectionLimits
    let load: ServerLoad
    let metrics: ServerMetrics
    /// Whether requests count in the metrics; scrapes don't.
    let recordsRequests: Bool
    /// nil: plain HTTP.
    let tls: NIOSSLContext?

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Connection> {
        channel.eventLoop.makeCompletedFuture {
            let room = load.connect(limits)
            channel.closeFuture.whenComplete { [load] _ in load.disconnect() }
            if room == .none {
                channel.close(promise: nil)
            } else {
                try addHandlers(to: channel, room: room)
            }
            return Connection(channel: channel)
        }
    }

    private func addHandlers(to channel: any Channel, room: ServerLoad.Room) throws {
        try channel.syncOptions?.setOption(.tcpOption(.tcp_nodelay), value: 1)
        let recorder = metrics.recorder(countsRequests: recordsRequests)
        let connection = ConnectionHandler(
            service: service, limits: limits, load: load, room: room, recorder: recorder)
        var decoderLimits = NIOHTTPDecoderLimitConfiguration()
        decoderLimits.maxHeaderFieldSize = ConnectionLimits.headerFieldBytesMax
        decoderLimits.maxHeaderListSize = ConnectionLimits.headerBytesMax
        decoderLimits.maxHeaderFieldCount = ConnectionLimits.headerFieldsMax
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(
            SocketObserver(traffic: metrics.traffic) { [weak connection] in connection?.bytesArrived($0) })
        if let tls { try pipeline.addHandler(NIOSSLServerHandler(context: tls)) }
        try pipeline.configureHTTPServerPipeline(
            withPipeliningAssistance: false, withErrorHandling: false, withOutboundHeaderValidation: false,
            withEncoderConfiguration: .init(), withDecoderLimitConfiguration: decoderLimits)
        try pipeline.addHandler(connection)
    }

    /// The handlers do the work; cancellation closes the connection.
    func handle(value: Connection, logger: Logger) async {
        await withTaskCancellationHandler {
            try? await value.channel.closeFuture.get()
        } onCancel: {
            value.channel.close(promise: nil)
        }
    }
}
