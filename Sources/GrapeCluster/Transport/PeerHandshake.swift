import Crypto
import GrapeModel

/// Who is at the other end of a connection.
package struct PeerIdentity: Sendable, Hashable {
    package var nodeID: String
    /// nil before the node is a member.
    package var number: NodeNumber?
    /// 16 bytes; nil before the node knows a cluster.
    package var cluster: [UInt8]?

    package init(nodeID: String, number: NodeNumber?, cluster: [UInt8]?) {
        self.nodeID = nodeID
        self.number = number
        self.cluster = cluster
    }
}

/// What begins every connection: both sides say who they are and prove that they know the cluster's token, without
/// sending it (challenge and response, HMAC-SHA-256 over both nonces and all that was said).
///
/// Hello (client): magic "GRPE", version (16 bits), lane (8), nonce (256), identity. Challenge (server): version, nonce, identity, proof.
/// Proof (client): proof. Then the server's welcome. Identity: node id (length and text), number (32, 0 for none), cluster (a byte that says
/// whether there is one, then 128 bits).
enum PeerHandshake {
    static let magic = Array("GRPE".utf8)
    static let version: UInt16 = 1
    private static let nonceBytes = 32

    struct Hello: Sendable {
        var isBulk: Bool
        var nonce: [UInt8]
        var identity: PeerIdentity

        var encoded: [UInt8] {
            var bytes = magic
            bytes.appendLittleEndian(version)
            bytes.append(isBulk ? 1 : 0)
            bytes += nonce
            identity.encode(into: &bytes)
            return bytes
        }
    }

    struct Challenge: Sendable {
        var nonce: [UInt8]
        var identity: PeerIdentity
        var proof: [UInt8]

        var encoded: [UInt8] {
            var bytes: [UInt8] = []
            bytes.appendLittleEndian(version)
            bytes += nonce
            identity.encode(into: &bytes)
            bytes += proof
            return bytes
        }
    }

    static func nonce() -> [UInt8] { (0..<nonceBytes).map { _ in .random(in: 0...255) } }

    /// - Returns: The hello, or why it can't be taken.
    static func readHello(_ bytes: [UInt8]) -> Result<Hello, Refusal> {
        var reader = ByteReader(bytes)
        guard reader.bytes(4).map(Array.init) == magic, let found = reader.integer(UInt16.self) else {
            return .failure(Refusal("this is no connection between nodes of Grape"))
        }
        guard found == version else { return .failure(wrongVersion(found)) }
        guard let lane = reader.integer(UInt8.self), let nonce = reader.bytes(nonceBytes),
            let identity = PeerIdentity(reader: &reader), reader.isAtEnd
        else { return .failure(Refusal("the greeting can't be read")) }
        return .success(Hello(isBulk: lane == 1, nonce: Array(nonce), identity: identity))
    }

    static func readChallenge(_ bytes: [UInt8]) -> Result<Challenge, Refusal> {
        var reader = ByteReader(bytes)
        guard let found = reader.integer(UInt16.self) else { return .failure(Refusal("the answer can't be read")) }
        guard found == version else { return .failure(wrongVersion(found)) }
        guard let nonce = reader.bytes(nonceBytes), let identity = PeerIdentity(reader: &reader),
            let proof = reader.bytes(SHA256.byteCount), reader.isAtEnd
        else { return .failure(Refusal("the answer can't be read")) }
        return .success(Challenge(nonce: Array(nonce), identity: identity, proof: Array(proof)))
    }

    private static func wrongVersion(_ found: UInt16) -> Refusal {
        Refusal(
            "it speaks version \(found) of the protocol between nodes, this build version \(version): upgrade the older"
        )
    }

    /// Proof of the token by one side; the other side's differs in its first word.
    static func proof(
        of side: StaticString, token: String?, client: [UInt8], server: [UInt8], _ first: PeerIdentity,
        _ second: PeerIdentity
    ) -> [UInt8] {
        var bytes = Array("\(side)".utf8) + client + server
        first.encode(into: &bytes)
        second.encode(into: &bytes)
        let code = HMAC<SHA256>.authenticationCode(for: bytes, using: SymmetricKey(data: Array((token ?? "").utf8)))
        return Array(code)
    }

    /// Takes as long whatever the difference.
    static func isEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.count == right.count && zip(left, right).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }

    /// Why two nodes can't talk, whatever the token; nil where they can.
    static func refusal(_ own: PeerIdentity, _ other: PeerIdentity) -> Refusal? {
        if own.nodeID == other.nodeID {
            return Refusal("both nodes have node_id \(own.nodeID): give each node its own")
        }
        if let mine = own.cluster, let theirs = other.cluster, mine != theirs {
            return Refusal(
                "the nodes belong to different clusters: check initial_peers and seed_nodes, or empty the data_dir of the one that is to join"
            )
        }
        if let number = own.number, number == other.number {
            return Refusal(
                "\(own.nodeID) and \(other.nodeID) are both node number \(number): one runs on a copy of the other's data_dir, empty it"
            )
        }
        return nil
    }

    static let wrongToken = Refusal("cluster_token differs: all nodes need the same")
}

/// Why a connection was refused, in words for the logs of both sides.
struct Refusal: Error, Hashable, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

extension PeerIdentity {
    fileprivate func encode(into bytes: inout [UInt8]) {
        bytes.appendSized(nodeID.utf8)
        bytes.appendLittleEndian(number?.rawValue ?? 0)
        bytes.append(cluster == nil ? 0 : 1)
        bytes += cluster ?? [UInt8](repeating: 0, count: 16)
    }

    fileprivate init?(reader: inout ByteReader) {
        guard let nodeID = reader.text(), PeerAddress.isNodeID(nodeID), let number = reader.integer(UInt32.self),
            let hasCluster = reader.integer(UInt8.self), let cluster = reader.bytes(16),
            // A number means nothing without the cluster that gave it.
            number == 0 || hasCluster == 1
        else { return nil }
        self.init(
            nodeID: nodeID, number: number == 0 ? nil : NodeNumber(number),
            cluster: hasCluster == 1 ? Array(cluster) : nil)
    }
}
