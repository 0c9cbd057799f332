import GrapeModel

/// What a write under an idempotency key came to, so that a repetition gets the same answer and changes nothing.
///
/// Layout, little-endian: fingerprint of the command (64 bits), outcome.
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
        outcome.encode(into: &bytes)
        return bytes
    }

    init?(encoded bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard let fingerprint = reader.integer(UInt64.self), let outcome = ApplyOutcome(reader: &reader) else {
            return nil
        }
        self.init(fingerprint: fingerprint, outcome: outcome)
    }
}
