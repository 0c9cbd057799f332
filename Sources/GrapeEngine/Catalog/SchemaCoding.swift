import GrapeModel

// Vector schemas in bytes, for the catalog's log and rows: count (16 bits), then of each the name (length and text),
// dimension (32), metric (8), quantisation (8), m (32), ef_construction (32), little-endian.
extension [VectorSchema] {
    func encode(into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(UInt16(count))
        for vector in self {
            bytes.appendSized(vector.name.utf8)
            bytes.appendLittleEndian(UInt32(vector.dimension))
            bytes.append(vector.metric.rawValue)
            bytes.append(vector.quantization.rawValue)
            bytes.appendLittleEndian(UInt32(vector.m))
            bytes.appendLittleEndian(UInt32(vector.efConstruction))
        }
    }

    init?(reader: inout ByteReader) {
        guard let count = reader.integer(UInt16.self) else { return nil }
        self = []
        for _ in 0..<count {
            guard let vector = VectorSchema(reader: &reader) else { return nil }
            append(vector)
        }
    }
}

extension VectorSchema {
    fileprivate init?(reader: inout ByteReader) {
        guard let name = reader.text(), let dimension = reader.integer(UInt32.self),
            let metric = reader.integer(UInt8.self).flatMap(DistanceMetric.init(rawValue:)),
            let quantization = reader.integer(UInt8.self).flatMap(Quantization.init(rawValue:)),
            let m = reader.integer(UInt32.self), let efConstruction = reader.integer(UInt32.self)
        else { return nil }
        self.init(
            name: name, dimension: Int(dimension), metric: metric, quantization: quantization, m: Int(m),
            efConstruction: Int(efConstruction))
    }
}
