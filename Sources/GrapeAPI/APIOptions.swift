import GrapeConfiguration
import GrapeModel
import NIOCore

/// What the servers need to know of the configuration.
package struct APIOptions: Sendable {
    package var nodeID = "node-1"
    package var version = GrapeVersion.current
    package var host = "127.0.0.1"
    package var restPort = 6333
    package var grpcPort = 6334
    package var prometheusPort = 9090
    package var limits = Limits()
    package var connections = ConnectionLimits()
    package var auth = Configuration().auth
    /// Parameters of collections whose creation doesn't say.
    package var m = 16
    package var efConstruction = 200
    package var binaryQuantization = false
    /// Quantiles cover six of these.
    package var metricsIntervalSeconds = 10
    /// Requests under way at a graceful stop get so long to end.
    package var stopSeconds = 10

    package init() {}

    package init(_ configuration: Configuration) {
        nodeID = configuration.cluster.nodeID
        host = configuration.bindAddress
        restPort = configuration.server.restPort
        grpcPort = configuration.server.grpcPort
        prometheusPort = configuration.monitoring.prometheusPort
        limits = configuration.requestLimits
        connections.connectionsMax = configuration.server.maxConnections
        connections.bodyBytesMax = configuration.server.maxRequestBytes
        connections.heldBodyBytesMax = max(connections.heldBodyBytesMax, 4 * configuration.server.maxRequestBytes)
        connections.requestTimeout = .seconds(Int64(configuration.server.requestTimeoutSeconds))
        auth = configuration.auth
        m = configuration.index.m
        efConstruction = configuration.index.efConstruction
        binaryQuantization = configuration.vector.binaryQuantization
        metricsIntervalSeconds = configuration.monitoring.metricsIntervalSeconds
    }
}
