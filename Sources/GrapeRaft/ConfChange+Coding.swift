/// The bytes of a configuration change: the protocol-buffer form of the model, so that sizes agree with it.
extension ConfChange {
    /// The entry kind that `encoded` belongs in.
    package var entryKind: EntryKind { isSingleStepForm ? .confChange : .confChangeV2 }

    package var encoded: [UInt8] {
        var bytes: [UInt8] = []
        if isSingleStepForm {
            for step in steps {
                bytes.appendField(2, varint: step.action.rawValue)
                bytes.appendField(3, varint: step.replica.rawValue)
            }
            bytes.appendField(4, bytes: context)
            return bytes
        }
        bytes.appendField(1, varint: transition.rawValue)
        for step in steps {
            var encodedStep: [UInt8] = []
            encodedStep.appendField(1, varint: step.action.rawValue)
            encodedStep.appendField(2, varint: step.replica.rawValue)
            bytes.appendField(2, bytes: encodedStep)
        }
        bytes.appendField(3, bytes: context)
        return bytes
    }

    /// Reads the change out of an entry. No data at all, in the newer form, leaves a joint configuration.
    package init(decoding entry: Entry) throws(ConfChangeError) {
        if entry.data.count > Limits.confChangeBytesMax { throw .undecodable }
        switch entry.kind {
        case .normal: throw .undecodable
        case .confChange: self = try Self.decodeSingleStep(entry.data)
        case .confChangeV2: self = try Self.decodeSteps(entry.data)
        }
    }

    private static func decodeSingleStep(_ data: [UInt8]) throws(ConfChangeError) -> ConfChange {
        var reader = FieldReader(bytes: data[...])
        var action = Action.addVoter
        var replica = ReplicaID.none
        var context: [UInt8] = []
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (1, .varint): break
            case (2, .varint(let value)): action = try decode(value)
            case (3, .varint(let value)): replica = ReplicaID(value)
            case (4, .bytes(let value)): context = Array(value)
            default: throw .undecodable
            }
        }
        return ConfChange([Step(action, replica)], context: context, isSingleStepForm: true)
    }

    private static func decodeSteps(_ data: [UInt8]) throws(ConfChangeError) -> ConfChange {
        var reader = FieldReader(bytes: data[...])
        var change = ConfChange([])
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (1, .varint(let value)):
                guard let transition = Transition(rawValue: value) else { throw .undecodable }
                change.transition = transition
            case (2, .bytes(let value)): change.steps.append(try decodeStep(value))
            case (3, .bytes(let value)): change.context = Array(value)
            default: throw .undecodable
            }
        }
        return change
    }

    private static func decodeStep(_ data: ArraySlice<UInt8>) throws(ConfChangeError) -> Step {
        var reader = FieldReader(bytes: data)
        var step = Step(.addVoter, .none)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (1, .varint(let value)): step.action = try decode(value)
            case (2, .varint(let value)): step.replica = ReplicaID(value)
            default: throw .undecodable
            }
        }
        return step
    }

    private static func decode(_ value: UInt64) throws(ConfChangeError) -> Action {
        guard let action = Action(rawValue: value) else { throw .undecodable }
        return action
    }
}

/// Reads tag, then number or bytes, and nothing else; every length is checked before use.
private struct FieldReader {
    enum Value {
        case varint(UInt64)
        case bytes(ArraySlice<UInt8>)
    }

    var bytes: ArraySlice<UInt8>

    mutating func next() throws(ConfChangeError) -> (number: UInt64, value: Value)? {
        if bytes.isEmpty { return nil }
        let tag = try varint()
        switch tag & 7 {
        case 0: return (tag >> 3, .varint(try varint()))
        case 2:
            let length = try varint()
            if length > UInt64(bytes.count) { throw .undecodable }
            defer { bytes = bytes.dropFirst(Int(length)) }
            return (tag >> 3, .bytes(bytes.prefix(Int(length))))
        default: throw .undecodable
        }
    }

    private mutating func varint() throws(ConfChangeError) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            guard let byte = bytes.popFirst() else { throw .undecodable }
            if shift == 63 && byte > 1 { throw .undecodable }
            value |= UInt64(byte & 0x7F) << shift
            if byte & 0x80 == 0 { return value }
        }
        throw .undecodable
    }
}

extension Array<UInt8> {
    fileprivate mutating func appendVarint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(rest))
    }

    fileprivate mutating func appendField(_ number: UInt64, varint value: UInt64) {
        appendVarint(number << 3)
        appendVarint(value)
    }

    /// Empty bytes are left out.
    fileprivate mutating func appendField(_ number: UInt64, bytes value: [UInt8]) {
        if value.isEmpty { return }
        appendVarint(number << 3 | 2)
        appendVarint(UInt64(value.count))
        append(contentsOf: value)
    }
}
