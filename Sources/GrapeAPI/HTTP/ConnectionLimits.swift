import NIOCore

/// Bounds on what one client, and all together, may hold of this node.
package struct ConnectionLimits: Sendable {
    /// Connections that may make any call.
    package var connectionsMax = 1_000
    /// Connections beyond those that may still ask for the node's health; others are closed as they come.
    package var reservedConnections = 64
    /// Bytes of one request's body.
    package var bodyBytesMax = 33_554_432
    /// Bytes of all bodies that are held at one moment.
    package var heldBodyBytesMax = 512 << 20
    /// From a request's first byte to its last, from its last byte to the answer, and for writing the answer.
    package var requestTimeout = TimeAmount.seconds(30)
    /// Between requests, and before the first.
    package var idleTimeout = TimeAmount.seconds(75)
    /// After a last answer, for the client to read it and to close.
    package var lingerTimeout = TimeAmount.seconds(2)

    /// Bytes of a request's target.
    package static let targetBytesMax = 8_192
    /// Bytes of one header field, and of all of a request.
    package static let headerFieldBytesMax = 32_768
    package static let headerBytesMax = 65_536
    package static let headerFieldsMax = 100
    /// A body of known length gets so much memory at once; beyond that it grows as bytes come.
    package static let bodyReserveBytesMax = 262_144
    /// Bytes that are read and dropped after a last answer.
    package static let lingerBytesMax = 64 << 20

    package init() {}
}
