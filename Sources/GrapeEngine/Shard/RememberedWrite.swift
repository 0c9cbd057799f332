import GrapeModel

/// What a write under an idempotency key came to, so that a repetition gets the same answer and changes nothing.
///
/// Layout, little-endian: fingerprint of the command (64 bits), kind (8), then a count (32) for `upserted`, a count and
/// a byte each for `deleted`.
struct RememberedWrite: Sendable, Hashable {
    /// Hash of the command: the same key with another command is a mistake of the client.
    var fingerprint: UInt64
    var outcome: ApplyOutcome

    /// nil for outcomes that no write has.
    init?(fingerprint: UInt64, outcome: ApplyOutcome) {
        switch outcome {
        case .upserted, .deleted: break
        default: return nil
        }
        self.fingerprint = fingerprint
        self.outcome = outcome
    }

    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendLittleEndian(fingerprint)
        switch outcome {
        case .upserted(let count):
            bytes.append(1)
            bytes.appendLittleEndian(UInt32(count))
        case .deleted(let found):
            bytes.append(2)
            bytes.appendSized(found.map { $0 ? 1 : 0 })
        default: preconditionFailure("the initialiser lets no other outcome in")
        }
        return bytes
    }

    init?(encoded bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard let fingerprint = reader.integer(UInt64.self), let kind = reader.integer(UInt8.self) else { return nil }
        self.fingerprint = fingerprint
        switch kind {
        case 1:
            guard let count = reader.integer(UInt32.self) else { return nil }
            outcome = .upserted(Int(count))
        case 2:
            guard let found = reader.sized() else { return nil }
            outcome = .deleted(found.map { $0 == 1 })
        default: return nil
        }
    }
}
