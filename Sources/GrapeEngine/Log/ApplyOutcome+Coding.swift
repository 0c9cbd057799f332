import GrapeModel

// Outcomes in bytes, for rows and for other nodes: kind (8 bits), then what the kind says, little-endian.
extension ApplyOutcome {
    package func encode(into bytes: inout [UInt8]) {
        bytes.append(kind)
        switch self {
        case .upserted(let count): bytes.appendLittleEndian(UInt32(count))
        case .deleted(let found): bytes.appendBits(found)
        case .staleCatalog(let version): bytes.appendLittleEndian(version.rawValue)
        case .catalog(let outcome): outcome.encode(into: &bytes)
        case .staleEpoch(let epoch): bytes.appendLittleEndian(epoch.rawValue)
        case .checked(let index): bytes.appendLittleEndian(index.rawValue)
        case .fenced, .keyReused, .nothing, .forgotten, .pending: break
        }
    }

    private var kind: UInt8 {
        switch self {
        case .upserted: 1
        case .deleted: 2
        case .fenced: 3
        case .staleCatalog: 4
        case .keyReused: 5
        case .catalog: 6
        case .nothing: 7
        case .staleEpoch: 8
        case .forgotten: 9
        case .pending: 10
        case .checked: 11
        }
    }

    package init?(reader: inout ByteReader) {
        switch reader.integer(UInt8.self) {
        case 1:
            guard let count = reader.integer(UInt32.self) else { return nil }
            self = .upserted(Int(count))
        case 2:
            guard let found = reader.bits() else { return nil }
            self = .deleted(found)
        case 3: self = .fenced
        case 4:
            guard let version = reader.integer(UInt64.self) else { return nil }
            self = .staleCatalog(CatalogVersion(version))
        case 5: self = .keyReused
        case 6:
            guard let outcome = CatalogOutcome(reader: &reader) else { return nil }
            self = .catalog(outcome)
        case 7: self = .nothing
        case 8:
            guard let epoch = reader.integer(UInt32.self) else { return nil }
            self = .staleEpoch(ShardEpoch(epoch))
        case 9: self = .forgotten
        case 10: self = .pending
        case 11:
            guard let index = reader.integer(UInt64.self) else { return nil }
            self = .checked(LogIndex(index))
        default: return nil
        }
    }
}

extension [UInt8] {
    /// Count (32 bits), then a bit each, the first in the lowest bit of the first byte.
    mutating func appendBits(_ bits: [Bool]) {
        appendLittleEndian(UInt32(bits.count))
        for start in stride(from: 0, to: bits.count, by: 8) {
            var byte: UInt8 = 0
            for place in start..<Swift.min(start + 8, bits.count) where bits[place] {
                byte |= 1 << UInt8(place - start)
            }
            append(byte)
        }
    }
}

extension ByteReader {
    mutating func bits() -> [Bool]? {
        guard let count = integer(UInt32.self), let packed = bytes((Int(count) + 7) / 8) else { return nil }
        let bytes = Array(packed)
        return (0..<Int(count)).map { bytes[$0 / 8] >> UInt8($0 % 8) & 1 == 1 }
    }
}
