import GrapeEngine
import GrapeModel

/// A node without a cluster, as it introduces itself.
package struct Greeting: Sendable, Hashable {
    package var nodeID: String
    package var bootID: UInt64
    /// Node ids of `initial_peers`, sorted; empty where the node joins by seeds.
    package var initialPeers: [String]
    package var shardCount: Int
    package var addresses: MemberAddresses
    package var version: String

    package init(
        nodeID: String, bootID: UInt64, initialPeers: [String], shardCount: Int, addresses: MemberAddresses,
        version: String
    ) {
        self.nodeID = nodeID
        self.bootID = bootID
        self.initialPeers = initialPeers
        self.shardCount = shardCount
        self.addresses = addresses
        self.version = version
    }
}

/// What nodes ask each other before they belong to one cluster. Bodies begin with a byte of 0x10 to 0x1f.
package enum BootstrapRequest: Sendable, Hashable {
    /// Who are you?
    case hello
    /// A founder hands out the cluster.
    case found(FoundedCluster)
    /// May I be a member?
    case join(Greeting)
    /// May I be a member again, in the place of the directory with this boot id, which is damaged?
    case rejoin(Greeting, replacing: UInt64)
    /// Where is everything? Asked by a member whose own replica of the catalog lost what it had.
    case layout

    package static let kinds: ClosedRange<UInt8> = 0x10...0x1f
}

package enum BootstrapAnswer: Sendable, Hashable {
    /// Without a cluster, and waiting for one.
    case empty(Greeting)
    /// A member of this cluster.
    case member(PointID)
    case accepted
    /// A member from now on: the cluster, and this node's number and place in it.
    case admitted(FoundedCluster, NodeNumber)
    /// One of the founders, as it turns out, who did not hear of it.
    case founded(FoundedCluster)
    case layout(ClusterLayout)
    /// Somebody else decides: ask there.
    case redirect(HostPort)
    /// Not now.
    case wait(String)
    /// Never, for this reason.
    case refused(String)
}

extension Greeting {
    fileprivate func encode(into bytes: inout [UInt8]) {
        bytes.appendSized(nodeID.utf8)
        bytes.appendLittleEndian(bootID)
        bytes.appendLittleEndian(UInt32(initialPeers.count))
        for peer in initialPeers { bytes.appendSized(peer.utf8) }
        bytes.appendLittleEndian(UInt32(shardCount))
        addresses.encode(into: &bytes)
        bytes.appendSized(version.utf8)
    }

    fileprivate init?(reader: inout ByteReader) {
        guard let nodeID = reader.text(), PeerAddress.isNodeID(nodeID), let bootID = reader.integer(UInt64.self),
            let peers = reader.list({ $0.text() }), let shards = reader.integer(UInt32.self),
            let addresses = MemberAddresses(reader: &reader), let version = reader.text()
        else { return nil }
        self.init(
            nodeID: nodeID, bootID: bootID, initialPeers: peers, shardCount: Int(shards), addresses: addresses,
            version: version)
    }
}

extension BootstrapRequest {
    package var encoded: [UInt8] {
        var bytes: [UInt8] = []
        switch self {
        case .hello: bytes.append(0x10)
        case .found(let cluster):
            bytes.append(0x11)
            bytes += cluster.encoded
        case .join(let greeting):
            bytes.append(0x12)
            greeting.encode(into: &bytes)
        case .layout: bytes.append(0x13)
        case .rejoin(let greeting, let old):
            bytes.append(0x14)
            greeting.encode(into: &bytes)
            bytes.appendLittleEndian(old)
        }
        return bytes
    }

    package init?(encoded bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        switch reader.integer(UInt8.self) {
        case 0x10 where reader.isAtEnd: self = .hello
        case 0x11:
            guard let cluster = FoundedCluster(encoded: Array(bytes.dropFirst())) else { return nil }
            self = .found(cluster)
        case 0x12:
            guard let greeting = Greeting(reader: &reader), reader.isAtEnd else { return nil }
            self = .join(greeting)
        case 0x13 where reader.isAtEnd: self = .layout
        case 0x14:
            guard let greeting = Greeting(reader: &reader), let old = reader.integer(UInt64.self), reader.isAtEnd else {
                return nil
            }
            self = .rejoin(greeting, replacing: old)
        default: return nil
        }
    }
}

extension BootstrapAnswer {
    package var encoded: [UInt8] {
        var bytes: [UInt8] = []
        switch self {
        case .empty(let greeting):
            bytes.append(1)
            greeting.encode(into: &bytes)
        case .member(let cluster):
            bytes.append(2)
            bytes += cluster.encoded.dropFirst()
        case .accepted: bytes.append(3)
        case .admitted(let cluster, let number):
            bytes.append(4)
            bytes.appendLittleEndian(number.rawValue)
            bytes += cluster.encoded
        case .redirect(let address):
            bytes.append(5)
            bytes.appendSized(address.description.utf8)
        case .wait(let reason):
            bytes.append(6)
            bytes.appendSized(reason.utf8)
        case .refused(let reason):
            bytes.append(7)
            bytes.appendSized(reason.utf8)
        case .founded(let cluster):
            bytes.append(8)
            bytes += cluster.encoded
        case .layout(let layout):
            bytes.append(9)
            bytes += layout.encoded
        }
        return bytes
    }

    package init?(encoded bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard let kind = reader.integer(UInt8.self), let answer = Self.read(kind, &reader),
            reader.isAtEnd
        else { return nil }
        self = answer
    }

    private static func read(_ kind: UInt8, _ reader: inout ByteReader) -> BootstrapAnswer? {
        switch kind {
        case 1: return Greeting(reader: &reader).map(BootstrapAnswer.empty)
        case 2: return reader.bytes(16).flatMap { PointID(encoded: [2] + $0) }.map(BootstrapAnswer.member)
        case 3: return .accepted
        case 4:
            guard let number = reader.integer(UInt32.self), let cluster = FoundedCluster(encoded: reader.rest())
            else { return nil }
            return .admitted(cluster, NodeNumber(number))
        case 5: return reader.text().flatMap { HostPort(text: $0) }.map(BootstrapAnswer.redirect)
        case 6: return reader.text().map(BootstrapAnswer.wait)
        case 7: return reader.text().map(BootstrapAnswer.refused)
        case 8: return FoundedCluster(encoded: reader.rest()).map(BootstrapAnswer.founded)
        case 9: return ClusterLayout(encoded: reader.rest()).map(BootstrapAnswer.layout)
        default: return nil
        }
    }
}

extension ByteReader {
    /// All that is left.
    fileprivate mutating func rest() -> [UInt8] { Array(bytes(count) ?? []) }
}
