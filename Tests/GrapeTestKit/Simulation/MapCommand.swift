/// What clients ask of the replicated map. Keys and clients are small numbers; every value is written at most once in a
/// run, so a read tells which write it saw. Zero stands for "never written".
package struct MapCommand: Sendable, Equatable {
    package enum Kind: UInt8, Sendable {
        case read, write, compareAndSet
    }

    package var kind: Kind
    package var client: UInt16
    /// Numbers the client's operations; a retry keeps it.
    package var sequence: UInt32
    /// Below this the client awaits no answer any more.
    package var lowestOpen: UInt32
    package var key: UInt8
    package var expected: UInt64
    package var value: UInt64

    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(28)
        bytes.append(kind.rawValue)
        bytes.append(key)
        Self.put(UInt64(client), 2, &bytes)
        Self.put(UInt64(sequence), 4, &bytes)
        Self.put(UInt64(lowestOpen), 4, &bytes)
        Self.put(expected, 8, &bytes)
        Self.put(value, 8, &bytes)
        return bytes
    }

    init?(_ bytes: [UInt8]) {
        guard bytes.count == 28, let kind = Kind(rawValue: bytes[0]) else { return nil }
        self.kind = kind
        key = bytes[1]
        client = UInt16(Self.get(bytes, 2, 2))
        sequence = UInt32(Self.get(bytes, 4, 4))
        lowestOpen = UInt32(Self.get(bytes, 8, 4))
        expected = Self.get(bytes, 12, 8)
        value = Self.get(bytes, 20, 8)
    }

    init(
        _ kind: Kind, client: UInt16, sequence: UInt32, lowestOpen: UInt32, key: UInt8, expected: UInt64 = 0,
        value: UInt64 = 0
    ) {
        self.kind = kind
        self.client = client
        self.sequence = sequence
        self.lowestOpen = lowestOpen
        self.key = key
        self.expected = expected
        self.value = value
    }

    private static func put(_ value: UInt64, _ count: Int, _ bytes: inout [UInt8]) {
        for shift in 0..<count { bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * shift))) }
    }

    private static func get(_ bytes: [UInt8], _ start: Int, _ count: Int) -> UInt64 {
        var value: UInt64 = 0
        for shift in 0..<count { value |= UInt64(bytes[start + shift]) << UInt64(8 * shift) }
        return value
    }
}
