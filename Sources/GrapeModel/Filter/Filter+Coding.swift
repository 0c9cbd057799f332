// A filter in bytes, for a search that another node carries out. Little-endian; lists begin with their count (32 bits),
// choices with their number (8 bits). Read back it is the same filter, or nil where the bytes are none.

extension Filter {
    package func encode(into bytes: inout [UInt8]) {
        for conditions in [must, should, mustNot] { conditions.encode(into: &bytes) }
        bytes.append(minShould == nil ? 0 : 1)
        guard let minShould else { return }
        bytes.appendLittleEndian(UInt32(minShould.count))
        minShould.conditions.encode(into: &bytes)
    }

    /// - Parameter depth: How many filters may still lie inside one another.
    package init?(reader: inout ByteReader, depth: Int = Limits.jsonDepthMax) {
        guard depth > 0, let must = [FilterCondition](reader: &reader, depth: depth),
            let should = [FilterCondition](reader: &reader, depth: depth),
            let mustNot = [FilterCondition](reader: &reader, depth: depth), let hasMin = reader.integer(UInt8.self)
        else { return nil }
        self.init(must: must, should: should, mustNot: mustNot)
        guard hasMin == 1 else { return }
        guard let count = reader.integer(UInt32.self),
            let conditions = [FilterCondition](reader: &reader, depth: depth)
        else { return nil }
        minShould = MinShould(conditions: conditions, count: Int(count))
    }
}

extension [FilterCondition] {
    fileprivate func encode(into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(UInt32(count))
        for condition in self { condition.encode(into: &bytes) }
    }

    fileprivate init?(reader: inout ByteReader, depth: Int) {
        guard let conditions = reader.list({ FilterCondition(reader: &$0, depth: depth) }) else { return nil }
        self = conditions
    }
}

extension FilterCondition {
    fileprivate func encode(into bytes: inout [UInt8]) {
        switch self {
        case .field(let field):
            bytes.append(1)
            field.path.encode(into: &bytes)
            field.test.encode(into: &bytes)
        case .isEmpty(let path):
            bytes.append(2)
            path.encode(into: &bytes)
        case .isNull(let path):
            bytes.append(3)
            path.encode(into: &bytes)
        case .hasID(let ids):
            bytes.append(4)
            bytes.appendLittleEndian(UInt32(ids.count))
            for id in ids { bytes.appendSized(id.encoded) }
        case .nested(let nested):
            bytes.append(5)
            nested.path.encode(into: &bytes)
            nested.filter.encode(into: &bytes)
        case .filter(let filter):
            bytes.append(6)
            filter.encode(into: &bytes)
        }
    }

    fileprivate init?(reader: inout ByteReader, depth: Int) {
        switch reader.integer(UInt8.self) {
        case 1:
            guard let path = PayloadPath(reader: &reader), let test = FieldTest(reader: &reader) else { return nil }
            self = .field(FieldCondition(path: path, test: test))
        case 2:
            guard let path = PayloadPath(reader: &reader) else { return nil }
            self = .isEmpty(path)
        case 3:
            guard let path = PayloadPath(reader: &reader) else { return nil }
            self = .isNull(path)
        case 4:
            guard let ids = reader.list({ $0.sized().flatMap(PointID.init(encoded:)) }) else { return nil }
            self = .hasID(Set(ids))
        case 5:
            guard let path = PayloadPath(reader: &reader), let filter = Filter(reader: &reader, depth: depth - 1)
            else { return nil }
            self = .nested(NestedCondition(path: path, filter: filter))
        case 6:
            guard let filter = Filter(reader: &reader, depth: depth - 1) else { return nil }
            self = .filter(filter)
        default: return nil
        }
    }
}

extension ByteReader {
    /// A count and as many elements; no more room is taken than the bytes can fill.
    @inlinable
    package mutating func list<Element>(_ read: (inout ByteReader) -> Element?) -> [Element]? {
        guard let count = integer(UInt32.self), Int(count) <= self.count else { return nil }
        var elements: [Element] = []
        for _ in 0..<count {
            guard let element = read(&self) else { return nil }
            elements.append(element)
        }
        return elements
    }
}
