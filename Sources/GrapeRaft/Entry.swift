package enum EntryKind: UInt8, Sendable {
    /// A command for the state machine, or an empty entry of a new leader.
    case normal = 0
    /// A `ConfChange` in the older form with exactly one step.
    case confChange = 1
    /// A `ConfChange` with any number of steps and a transition.
    case confChangeV2 = 2
}

/// One entry of the log. `data` is shared, never copied: an entry travels from proposal to storage, network and
/// apply as references to one buffer.
package struct Entry: Sendable, Equatable {
    package var term: Term
    package var index: LogIndex
    package var kind: EntryKind
    package var data: [UInt8]

    package init(term: Term = .zero, index: LogIndex = .zero, kind: EntryKind = .normal, data: [UInt8] = []) {
        self.term = term
        self.index = index
        self.kind = kind
        self.data = data
    }

    package var id: EntryID { EntryID(term: term, index: index) }

    package var isConfChange: Bool { kind != .normal }

    /// The bytes the entry takes in the protocol-buffer form of the model. All size limits but the uncommitted
    /// one count these.
    package var encodedSize: UInt64 {
        let kindSize: UInt64 = kind == .normal ? 0 : 2
        let dataSize = data.isEmpty ? 0 : 1 + varintSize(UInt64(data.count)) + UInt64(data.count)
        return kindSize + 2 + varintSize(term.rawValue) + varintSize(index.rawValue) + dataSize
    }
}

/// A term and an index name an entry: two logs that hold the same id agree on everything before it.
package struct EntryID: Sendable, Hashable {
    package var term: Term
    package var index: LogIndex

    package init(term: Term, index: LogIndex) {
        self.term = term
        self.index = index
    }
}

/// Bytes of a base-128 number.
func varintSize(_ value: UInt64) -> UInt64 {
    let bits = UInt64(UInt64.bitWidth - (value | 1).leadingZeroBitCount)
    return (bits + 6) / 7
}

extension Array<Entry> {
    package var encodedSize: UInt64 {
        var size: UInt64 = 0
        for index in indices { size += self[index].encodedSize }
        return size
    }

    /// The bytes of the payloads alone, so that empty entries weigh nothing.
    package var payloadSize: UInt64 {
        var size: UInt64 = 0
        for index in indices { size += UInt64(self[index].data.count) }
        return size
    }
}

extension ArraySlice<Entry> {
    /// The number of leading entries that together stay within `sizeMax`, at least one if there is one.
    package func prefixCount(sizeMax: UInt64) -> Int {
        var size: UInt64 = 0
        for index in indices {
            size += self[index].encodedSize
            if size > sizeMax && index > startIndex { return index - startIndex }
        }
        return count
    }
}
