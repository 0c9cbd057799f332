import GrapeModel

/// How a node listens for others and dials them.
package struct TransportOptions: Sendable {
    /// Where to listen; port 0 takes any.
    package var listen: HostPort
    package var nodeID: String
    /// Secret of the cluster; nil where it has none.
    package var token: String?
    package var tls: TLSFiles?
    /// A connection on which nothing arrives for so long is given up.
    package var silenceMilliseconds = 3_000
    /// Bytes that may wait to be sent to one node: messages beyond are dropped, requests fail.
    package var waitingBytesMax = 64 << 20
    package var frameBytesMax = 80 << 20
    /// Requests of one connection that are being answered.
    package var requestsMax = 1_024

    package init(listen: HostPort, nodeID: String) {
        self.listen = listen
        self.nodeID = nodeID
    }

    /// PEM files; node-to-node traffic is mutual TLS.
    package struct TLSFiles: Sendable, Hashable {
        package var certificate: String
        package var key: String
        package var authority: String

        package init(certificate: String, key: String, authority: String) {
            self.certificate = certificate
            self.key = key
            self.authority = authority
        }
    }
}

/// What comes from other nodes. Calls are made on event loops: they must return at once.
package protocol TransportHandler: AnyObject, Sendable {
    func received(_ messages: [GroupMessage], from node: NodeNumber)
    func received(_ exchange: ReadExchange, from node: NodeNumber)
    func receivedReport(_ bytes: [UInt8], from node: NodeNumber)
    func answer(_ request: [UInt8], from peer: PeerIdentity) async -> [UInt8]
    /// The connection to or from a member broke.
    func disconnected(_ node: NodeNumber)
    /// The page of `GET /raft/metrics`.
    func metricsPage() async -> [UInt8]
}
