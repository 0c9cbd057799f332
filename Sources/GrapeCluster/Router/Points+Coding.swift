import GrapeEngine
import GrapeModel
import GrapeStorage

// Points, searches and results in bytes, as nodes send them to each other: little-endian, lists and texts with their
// length (32 bits) first.

extension WrittenID {
    fileprivate func encode(into bytes: inout [UInt8]) {
        bytes.appendSized(id.encoded)
        bytes.append(form.code)
        if case .spelling(let text) = form { bytes.appendSized(text.utf8) }
    }

    fileprivate init?(reader: inout ByteReader) {
        guard let id = reader.sized().flatMap(PointID.init(encoded:)), let code = reader.integer(UInt8.self),
            let form = Form(code: code, reader: &reader)
        else { return nil }
        self.init(id: id, form: form)
    }
}

extension NamedVector {
    fileprivate func encode(into bytes: inout [UInt8]) {
        bytes.appendSized(name.utf8)
        values.encode(into: &bytes)
    }

    fileprivate init?(reader: inout ByteReader) {
        guard let name = reader.text(), let values = [Float](reader: &reader) else { return nil }
        self.init(name: name, values: values)
    }
}

extension [Float] {
    fileprivate func encode(into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(UInt32(count))
        bytes.append(floats: self)
    }

    fileprivate init?(reader: inout ByteReader) {
        guard let count = reader.integer(UInt32.self),
            let block = reader.bytes(Int(count) * MemoryLayout<Float>.size)
        else { return nil }
        let bytes = [UInt8](block)
        self = bytes.span.copyFloats(at: 0, count: Int(count))
    }
}

extension Point {
    func encode(into bytes: inout [UInt8]) {
        id.encode(into: &bytes)
        bytes.appendLittleEndian(UInt32(vectors.count))
        for vector in vectors { vector.encode(into: &bytes) }
        bytes.appendSized(payload.json)
    }

    init?(reader: inout ByteReader) {
        guard let id = WrittenID(reader: &reader), let vectors = reader.list({ NamedVector(reader: &$0) }),
            let payload = reader.sized()
        else { return nil }
        self.init(id: id, vectors: vectors, payload: Payload(uncheckedJSON: Array(payload)))
    }
}

extension ScoredPoint {
    func encode(into bytes: inout [UInt8]) {
        id.encode(into: &bytes)
        bytes.appendLittleEndian(score.bitPattern)
        bytes.append(payload == nil ? 0 : 1)
        if let payload { bytes.appendSized(payload.json) }
        bytes.appendLittleEndian(UInt32(vectors.count))
        for vector in vectors { vector.encode(into: &bytes) }
    }

    init?(reader: inout ByteReader) {
        guard let id = WrittenID(reader: &reader), let score = reader.integer(UInt32.self),
            let hasPayload = reader.integer(UInt8.self)
        else { return nil }
        var payload: Payload?
        if hasPayload == 1 {
            guard let json = reader.sized() else { return nil }
            payload = Payload(uncheckedJSON: Array(json))
        }
        guard let vectors = reader.list({ NamedVector(reader: &$0) }) else { return nil }
        self.init(id: id, score: Float(bitPattern: score), payload: payload, vectors: vectors)
    }
}

extension SearchRequest {
    /// Vector, name, limit, offset, ef, flags (16 bits: payload, vector, exact, strong, has threshold, has filter),
    /// threshold, filter.
    func encode(into bytes: inout [UInt8]) {
        vector.encode(into: &bytes)
        bytes.appendSized(using.utf8)
        bytes.appendLittleEndian(UInt32(limit))
        bytes.appendLittleEndian(UInt32(offset))
        bytes.appendLittleEndian(UInt32(ef ?? 0))
        let flags = [withPayload, withVector, exact, consistency == .strong, scoreThreshold != nil, filter != nil]
        bytes.appendLittleEndian(flags.enumerated().reduce(UInt16(0)) { $0 | ($1.element ? 1 << $1.offset : 0) })
        bytes.appendLittleEndian((scoreThreshold ?? 0).bitPattern)
        filter?.encode(into: &bytes)
    }

    init?(reader: inout ByteReader) {
        guard let vector = [Float](reader: &reader), let using = reader.text(), let limit = reader.integer(UInt32.self),
            let offset = reader.integer(UInt32.self), let ef = reader.integer(UInt32.self),
            let flags = reader.integer(UInt16.self), let threshold = reader.integer(UInt32.self)
        else { return nil }
        func has(_ place: UInt16) -> Bool { flags >> place & 1 == 1 }
        self.init(
            vector: vector, using: using, limit: Int(limit), offset: Int(offset),
            scoreThreshold: has(4) ? Float(bitPattern: threshold) : nil, withPayload: has(0), withVector: has(1),
            ef: ef == 0 ? nil : Int(ef), exact: has(2), consistency: has(3) ? .strong : .eventual)
        guard has(5) else { return }
        guard let filter = Filter(reader: &reader) else { return nil }
        self.filter = filter
    }
}
