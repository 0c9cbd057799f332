import GrapeEngine
import GrapeModel

/// What a node says of its replica of a shard when a consistency check asks.
package enum ReplicaStanding: Sendable, Hashable {
    /// The check's entry is not applied there yet.
    case behind
    /// There is nothing to compare, and will not be: in words, why.
    case absent(String)
    /// Of the replica with this serial.
    case checked(UInt32, ReplicaCheck)

    func encode(into bytes: inout [UInt8]) {
        switch self {
        case .behind: bytes.append(1)
        case .absent(let reason):
            bytes.append(2)
            bytes.appendSized(reason.utf8)
        case .checked(let serial, let check):
            bytes.append(3)
            bytes.appendLittleEndian(serial)
            check.encode(into: &bytes)
        }
    }

    init?(reader: inout ByteReader) {
        switch reader.integer(UInt8.self) {
        case 1: self = .behind
        case 2:
            guard let reason = reader.text() else { return nil }
            self = .absent(reason)
        case 3:
            guard let serial = reader.integer(UInt32.self), let check = ReplicaCheck(reader: &reader) else {
                return nil
            }
            self = .checked(serial, check)
        default: return nil
        }
    }
}
