import GrapeModel
import GrapeStorage
import NIOCore

/// One unit on a connection between nodes.
///
/// Wire, little-endian: length of what follows (32 bits), kind (8), flags (8: 1 compressed), CRC32C of kind, flags and body
/// (32), body. A compressed body is its length (32) and an LZ4 block.
struct Frame: Sendable, Equatable {
    enum Kind: UInt8, Sendable {
        case hello = 1
        case challenge = 2
        case proof = 3
        case welcome = 4
        /// The handshake ends with a reason.
        case refused = 5
        case messages = 6
        case report = 7
        /// Number of the request (64 bits), then its body; the answer bears the same number.
        case request = 8
        case answer = 9
        case ping = 10
        case pong = 11
        /// The request of this number (64 bits) was not taken: too many are being answered.
        case overloaded = 12
        /// What reads ask and hear.
        case read = 13
    }

    static let headerBytes = 10
    /// Above this LZ4 is tried.
    private static let compressedFrom = 4_096

    let kind: Kind
    let body: [UInt8]

    /// The frame as bytes, compressed where that takes a sixteenth off.
    func encoded(compresses: Bool) -> [UInt8] {
        var payload = body
        var flags: UInt8 = 0
        if compresses, body.count >= Self.compressedFrom, let block = LZ4Block.compress(body),
            block.count < body.count - body.count / 16
        {
            payload = []
            payload.reserveCapacity(block.count + 4)
            payload.appendLittleEndian(UInt32(body.count))
            payload += block
            flags = 1
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.headerBytes + payload.count)
        bytes.appendLittleEndian(UInt32(payload.count + 6))
        bytes.append(kind.rawValue)
        bytes.append(flags)
        bytes.appendLittleEndian(CRC32C.checksum(payload, seed: CRC32C.checksum([kind.rawValue, flags])))
        bytes += payload
        return bytes
    }
}

/// Cuts what arrives into frames.
struct FrameReader {
    enum Failure: Error, Equatable {
        case tooLong(Int)
        case checksum
        case unknownKind(UInt8)
        case damagedBlock
    }

    /// LZ4 can't shrink more than that: a block that claims to is none.
    private static let ratioMax = 255

    private let bytesMax: Int

    init(bytesMax: Int) { self.bytesMax = bytesMax }

    /// The next frame; nil where it has not arrived whole.
    func next(_ buffer: inout ByteBuffer) throws(Failure) -> Frame? {
        guard let length = buffer.getInteger(at: buffer.readerIndex, endianness: .little, as: UInt32.self) else {
            return nil
        }
        guard length >= 6, Int(length) <= bytesMax else { throw .tooLong(Int(length)) }
        guard buffer.readableBytes >= 4 + Int(length) else { return nil }
        buffer.moveReaderIndex(forwardBy: 4)
        guard let kindByte = buffer.readInteger(as: UInt8.self), let flags = buffer.readInteger(as: UInt8.self),
            let sum = buffer.readInteger(endianness: .little, as: UInt32.self),
            let payload = buffer.readBytes(length: Int(length) - 6)
        else { return nil }
        guard CRC32C.checksum(payload, seed: CRC32C.checksum([kindByte, flags])) == sum else { throw .checksum }
        guard let kind = Frame.Kind(rawValue: kindByte) else { throw .unknownKind(kindByte) }
        guard flags & 1 == 1 else { return Frame(kind: kind, body: payload) }
        var reader = ByteReader(payload)
        guard let count = reader.integer(UInt32.self), Int(count) <= bytesMax,
            Int(count) / Self.ratioMax <= payload.count
        else { throw .damagedBlock }
        guard let body = LZ4Block.decompress(payload.span.extracting(4..<payload.count), count: Int(count)) else {
            throw .damagedBlock
        }
        return Frame(kind: kind, body: body)
    }
}
