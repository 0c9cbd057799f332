import Crypto
import GrapeStorage

/// The protocol between nodes, written down a second time: what a stranger would send.
enum WireProtocol {
    enum Kind: UInt8 {
        case hello = 1
        case challenge, proof, welcome, refused, messages, report, request, answer, ping, pong, overloaded
    }

    struct Identity {
        var nodeID: String
        var number: UInt32 = 0
        var cluster: [UInt8]?

        var bytes: [UInt8] {
            sized(Array(nodeID.utf8)) + little(UInt64(number), 4) + [cluster == nil ? 0 : 1]
                + (cluster ?? [UInt8](repeating: 0, count: 16))
        }
    }

    static func little(_ value: UInt64, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
    }

    static func sized(_ bytes: [UInt8]) -> [UInt8] { little(UInt64(bytes.count), 4) + bytes }

    static func frame(_ kind: UInt8, _ body: [UInt8], flags: UInt8 = 0) -> [UInt8] {
        little(UInt64(body.count + 6), 4) + [kind, flags]
            + little(UInt64(CRC32C.checksum([kind, flags] + body)), 4) + body
    }

    static func frame(_ kind: Kind, _ body: [UInt8], flags: UInt8 = 0) -> [UInt8] {
        frame(kind.rawValue, body, flags: flags)
    }

    static func hello(_ identity: Identity, nonce: [UInt8], version: UInt16 = 1) -> [UInt8] {
        frame(.hello, Array("GRPE".utf8) + little(UInt64(version), 2) + [0] + nonce + identity.bytes)
    }

    static func proof(
        _ side: String, token: String?, client: [UInt8], server: [UInt8], _ first: [UInt8], _ second: [UInt8]
    ) -> [UInt8] {
        Array(
            HMAC<SHA256>.authenticationCode(
                for: Array(side.utf8) + client + server + first + second,
                using: SymmetricKey(data: Array((token ?? "").utf8))))
    }

    static let nonce = (0..<32).map { UInt8($0) }

    struct Frame: Equatable {
        let kind: UInt8
        let flags: UInt8
        let body: [UInt8]
    }

    /// The frames that stand in the bytes, as far as they are whole.
    static func frames(_ bytes: [UInt8]) -> [Frame] {
        var frames: [Frame] = []
        var rest = bytes[...]
        while rest.count >= 10 {
            let length = rest.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
            guard length >= 6, rest.count >= 4 + length else { break }
            let start = rest.startIndex
            frames.append(
                Frame(
                    kind: rest[start + 4], flags: rest[start + 5],
                    body: Array(rest[(start + 10)..<(start + 4 + length)])))
            rest = rest.dropFirst(4 + length)
        }
        return frames
    }
}
