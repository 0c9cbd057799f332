/// A host name or IP address with a port, written `host:port`; an IPv6 address stands in brackets.
package struct HostPort: Sendable, Hashable, CustomStringConvertible {
    /// Without brackets.
    package var host: String
    /// 0...65535.
    package var port: Int

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// nil where `text` has no host, no port, or a port that nobody can dial.
    package init?(text: String) {
        guard let colon = text.utf8.lastIndex(of: UInt8(ascii: ":")) else { return nil }
        let digits = text[text.index(after: colon)...]
        guard (1...5).contains(digits.utf8.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        guard let port = Int(digits), (1...65_535).contains(port) else { return nil }
        guard let host = Self.host(in: text[..<colon]) else { return nil }
        self.init(host: host, port: port)
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    private static func host(in text: Substring) -> String? {
        let isBracketed = text.hasPrefix("[") && text.hasSuffix("]")
        let inner = isBracketed ? text.dropFirst().dropLast() : text
        guard !inner.isEmpty, inner.utf8.count <= 253 else { return nil }
        // A colon needs brackets: without them "::1:7000" could be read in two ways.
        let isAllowed = inner.utf8.allSatisfy { isHostByte($0) || (isBracketed && $0 == UInt8(ascii: ":")) }
        return isAllowed ? String(inner) : nil
    }

    private static func isHostByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"): true
        case UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "%"): true
        default: false
        }
    }
}

/// A node as named in the configuration of another: `id@host:port`, the port being its `raft_port`.
package struct PeerAddress: Sendable, Hashable, CustomStringConvertible {
    /// nil only in `seed_nodes`, where whoever answers is asked for its id.
    package var nodeID: String?
    package var address: HostPort

    package init(nodeID: String?, address: HostPort) {
        self.nodeID = nodeID
        self.address = address
    }

    package init?(text: String) {
        let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        guard let last = parts.last, let address = HostPort(text: String(last)) else { return nil }
        let nodeID = parts.count == 2 ? String(parts[0]) : nil
        guard nodeID.map(Self.isNodeID) ?? true else { return nil }
        self.init(nodeID: nodeID, address: address)
    }

    package var description: String { nodeID.map { "\($0)@\(address)" } ?? address.description }

    /// Node ids go into file names, metric labels and addresses, so they are plain.
    package static func isNodeID(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
                case UInt8(ascii: "0")...UInt8(ascii: "9"): true
                case UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"): true
                default: false
                }
            }
    }
}

extension HostPort {
    /// Whether `host` is this machine as seen from itself only.
    package static func isLoopback(_ host: String) -> Bool {
        host == "localhost" || host == "::1" || host.hasPrefix("127.")
    }
}
