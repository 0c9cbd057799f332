// The tests of a filter in bytes; see Filter+Coding.swift.

extension FieldTest {
    func encode(into bytes: inout [UInt8]) {
        switch self {
        case .equals(let scalar):
            bytes.append(1)
            scalar.encode(into: &bytes)
        case .any(let list):
            bytes.append(2)
            list.encode(into: &bytes)
        case .except(let list):
            bytes.append(3)
            list.encode(into: &bytes)
        case .text(let text):
            bytes.append(4)
            bytes.appendSized(text)
        case .textAny(let words):
            bytes.append(5)
            bytes.appendLittleEndian(UInt32(words.count))
            for word in words { bytes.appendSized(word) }
        case .contains(let scalar):
            bytes.append(6)
            scalar.encode(into: &bytes)
        case .range(let range):
            bytes.append(7)
            range.encode(into: &bytes) { number, bytes in number.encode(into: &bytes) }
        case .timeRange(let range):
            bytes.append(8)
            range.encode(into: &bytes) { time, bytes in
                bytes.appendLittleEndian(time.seconds)
                bytes.appendLittleEndian(time.nanoseconds)
            }
        case .geo(let shape):
            bytes.append(9)
            shape.encode(into: &bytes)
        case .valuesCount(let range):
            bytes.append(10)
            range.encode(into: &bytes) { count, bytes in bytes.appendLittleEndian(Int64(count)) }
        case .isEmpty(let value): bytes += [11, value ? 1 : 0]
        case .isNull(let value): bytes += [12, value ? 1 : 0]
        }
    }

    init?(reader: inout ByteReader) {
        guard let kind = reader.integer(UInt8.self), let test = Self.read(kind, &reader) else { return nil }
        self = test
    }

    private static func read(_ kind: UInt8, _ reader: inout ByteReader) -> FieldTest? {
        switch kind {
        case 1: FilterScalar(reader: &reader).map(FieldTest.equals)
        case 2: reader.list { FilterScalar(reader: &$0) }.map { .any(FilterScalarList($0)) }
        case 3: reader.list { FilterScalar(reader: &$0) }.map { .except(FilterScalarList($0)) }
        case 4: reader.sized().map { .text(Array($0)) }
        case 5: reader.list { $0.sized().map(Array.init) }.map(FieldTest.textAny)
        case 6: FilterScalar(reader: &reader).map(FieldTest.contains)
        case 7: FilterRange(reader: &reader) { JSONNumber(reader: &$0) }.map(FieldTest.range)
        case 8: FilterRange(reader: &reader) { Timestamp(reader: &$0) }.map(FieldTest.timeRange)
        case 9: GeoShape(reader: &reader).map(FieldTest.geo)
        case 10:
            FilterRange(reader: &reader) { $0.integer(Int64.self).map { Int($0) } }.map(FieldTest.valuesCount)
        case 11: reader.integer(UInt8.self).map { .isEmpty($0 == 1) }
        case 12: reader.integer(UInt8.self).map { .isNull($0 == 1) }
        default: nil
        }
    }
}

extension PayloadPath {
    func encode(into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(UInt32(steps.count))
        for step in steps {
            switch step {
            case .key(let key):
                bytes.append(1)
                bytes.appendSized(key)
            case .index(let index):
                bytes.append(2)
                bytes.appendLittleEndian(Int64(index))
            case .everyElement: bytes.append(3)
            }
        }
    }

    init?(reader: inout ByteReader) {
        let steps = reader.list { reader -> Step? in
            switch reader.integer(UInt8.self) {
            case 1: reader.sized().map { .key(Array($0)) }
            case 2: reader.integer(Int64.self).flatMap { $0 >= 0 ? .index(Int($0)) : nil }
            case 3: .everyElement
            default: nil
            }
        }
        guard let steps else { return nil }
        self.init(steps: steps)
    }
}

extension FilterScalar {
    func encode(into bytes: inout [UInt8]) {
        switch self {
        case .bool(let value): bytes += [1, value ? 1 : 0]
        case .number(let number):
            bytes.append(2)
            number.encode(into: &bytes)
        case .string(let text):
            bytes.append(3)
            bytes.appendSized(text)
        }
    }

    init?(reader: inout ByteReader) {
        switch reader.integer(UInt8.self) {
        case 1:
            guard let value = reader.integer(UInt8.self) else { return nil }
            self = .bool(value == 1)
        case 2:
            guard let number = JSONNumber(reader: &reader) else { return nil }
            self = .number(number)
        case 3:
            guard let text = reader.sized() else { return nil }
            self = .string(Array(text))
        default: return nil
        }
    }
}

extension FilterScalarList {
    fileprivate func encode(into bytes: inout [UInt8]) {
        let scalars =
            strings.map(FilterScalar.string) + numbers.map(FilterScalar.number)
            + [false, true].filter(bools.contains).map(FilterScalar.bool)
        bytes.appendLittleEndian(UInt32(scalars.count))
        for scalar in scalars { scalar.encode(into: &bytes) }
    }
}

extension JSONNumber {
    fileprivate func encode(into bytes: inout [UInt8]) {
        switch self {
        case .integer(let value):
            bytes.append(1)
            bytes.appendLittleEndian(value)
        case .unsigned(let value):
            bytes.append(2)
            bytes.appendLittleEndian(value)
        case .double(let value):
            bytes.append(3)
            bytes.appendLittleEndian(value.bitPattern)
        }
    }

    fileprivate init?(reader: inout ByteReader) {
        guard let kind = reader.integer(UInt8.self), let bits = reader.integer(UInt64.self) else { return nil }
        switch kind {
        case 1: self = .integer(Int64(bitPattern: bits))
        case 2: self.init(bits)
        case 3 where Double(bitPattern: bits).isFinite: self = .double(Double(bitPattern: bits))
        default: return nil
        }
    }
}

extension Timestamp {
    fileprivate init?(reader: inout ByteReader) {
        guard let seconds = reader.integer(Int64.self), let nanoseconds = reader.integer(Int32.self),
            (0..<1_000_000_000).contains(nanoseconds)
        else { return nil }
        self.init(seconds: seconds, nanoseconds: nanoseconds)
    }
}

extension FilterRange {
    fileprivate func encode(into bytes: inout [UInt8], _ write: (Value, inout [UInt8]) -> Void) {
        for bound in [gt, gte, lt, lte] {
            bytes.append(bound == nil ? 0 : 1)
            if let bound { write(bound, &bytes) }
        }
    }

    fileprivate init?(reader: inout ByteReader, _ read: (inout ByteReader) -> Value?) {
        var bounds: [Value?] = []
        for _ in 0..<4 {
            guard let isThere = reader.integer(UInt8.self) else { return nil }
            guard isThere == 1 else {
                bounds.append(nil)
                continue
            }
            guard let bound = read(&reader) else { return nil }
            bounds.append(bound)
        }
        self.init(gt: bounds[0], gte: bounds[1], lt: bounds[2], lte: bounds[3])
    }
}

extension GeoShape {
    fileprivate func encode(into bytes: inout [UInt8]) {
        switch self {
        case .box(let topLeft, let bottomRight):
            bytes.append(1)
            for point in [topLeft, bottomRight] { point.encode(into: &bytes) }
        case .circle(let center, let radius):
            bytes.append(2)
            center.encode(into: &bytes)
            bytes.appendLittleEndian(radius.bitPattern)
        case .polygon(let exterior, let interiors):
            bytes.append(3)
            bytes.appendLittleEndian(UInt32(interiors.count + 1))
            for ring in [exterior] + interiors {
                bytes.appendLittleEndian(UInt32(ring.count))
                for point in ring { point.encode(into: &bytes) }
            }
        }
    }

    fileprivate init?(reader: inout ByteReader) {
        switch reader.integer(UInt8.self) {
        case 1:
            guard let topLeft = GeoPoint(reader: &reader), let bottomRight = GeoPoint(reader: &reader) else {
                return nil
            }
            self = .box(topLeft: topLeft, bottomRight: bottomRight)
        case 2:
            guard let center = GeoPoint(reader: &reader), let bits = reader.integer(UInt64.self) else { return nil }
            self = .circle(center: center, radius: Double(bitPattern: bits))
        case 3:
            guard let rings = reader.list({ $0.list { GeoPoint(reader: &$0) } }), let exterior = rings.first,
                rings.allSatisfy({ $0.count >= 4 })
            else { return nil }
            self = .polygon(exterior: exterior, interiors: Array(rings.dropFirst()))
        default: return nil
        }
    }
}

extension GeoPoint {
    fileprivate func encode(into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(longitude.bitPattern)
        bytes.appendLittleEndian(latitude.bitPattern)
    }

    fileprivate init?(reader: inout ByteReader) {
        guard let longitude = reader.integer(UInt64.self), let latitude = reader.integer(UInt64.self) else {
            return nil
        }
        self.init(longitude: Double(bitPattern: longitude), latitude: Double(bitPattern: latitude))
    }
}
