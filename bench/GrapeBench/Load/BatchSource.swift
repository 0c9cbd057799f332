import GrapeModel
import GrapeProto
import NIOCore

/// Cuts a file of vectors, and the payloads beside it, into bodies of batches; clients take one after the other.
actor BatchSource {
    struct Batch: Sendable {
        let points: Int
        let body: ByteBuffer
    }

    /// Points to hand out.
    let rows: Int
    private let file: NumPyFile
    private let payloads: PayloadLines?
    private let batchSize: Int
    private let metric: DistanceMetric
    private let wire: WireProtocol
    /// What gRPC messages name; empty: the collection default.
    private let collection: String
    private var block: VectorBlock?
    private var nextInBlock = 0
    private var handedOut = 0

    /// Rows read at once.
    private static let blockRows = 8_192

    init(
        base: String, payload: String?, batchSize: Int, metric: DistanceMetric, wire: WireProtocol = .rest,
        collection: String? = nil, rowsMax: Int? = nil
    ) throws {
        file = try NumPyFile(path: base)
        rows = min(rowsMax ?? .max, file.header.rows)
        payloads = try payload.map { try PayloadLines(path: $0) }
        self.batchSize = batchSize
        self.metric = metric
        self.wire = wire
        self.collection = collection ?? ""
    }

    var header: NumPyHeader { file.header }

    /// Nil behind the last point.
    func next() throws -> Batch? {
        let count = min(batchSize, rows - handedOut)
        guard count > 0 else { return nil }
        let body = wire == .rest ? try json(count) : try message(count)
        handedOut += count
        return Batch(points: count, body: body)
    }

    private func message(_ count: Int) throws -> ByteBuffer {
        var request = Grape_V1_UpsertBatchRequest()
        request.collection = collection
        for _ in 0..<count {
            let (row, vector) = try nextRow()
            request.points.append(Grape_V1_Point(row: row, vector: vector, payload: try nextPayload(row)))
        }
        return try ByteBuffer(message: request)
    }

    private func json(_ count: Int) throws -> ByteBuffer {
        var writer = JSONWriter(capacity: count * file.header.columns * 13)
        writer.beginObject()
        writer.key("vectors")
        writer.beginArray()
        for _ in 0..<count { try writePoint(to: &writer) }
        writer.endArray()
        writer.endObject()
        return ByteBuffer(bytes: writer.bytes)
    }

    private func writePoint(to writer: inout JSONWriter) throws {
        let (row, vector) = try nextRow()
        writer.beginObject()
        writer.key("id")
        writer.integer(row)
        writer.key("vector")
        writer.floats(vector)
        if let line = try nextPayload(row) {
            writer.key("payload")
            writer.raw(line)
        }
        writer.endObject()
    }

    private func nextPayload(_ row: Int) throws -> [UInt8]? {
        guard let payloads else { return nil }
        guard let line = try payloads.next() else {
            throw BenchFailure("the payload file has \(row) lines, fewer than the \(file.header.rows) vectors")
        }
        return line
    }

    private func nextRow() throws -> (row: Int, vector: [Float]) {
        if block.map({ nextInBlock == $0.rows }) ?? true {
            block = try file.nextBlock(rowsMax: Self.blockRows)
            nextInBlock = 0
            if metric == .cosine { try block?.normalise(name: file.name) }
        }
        guard let block else { throw BenchFailure("\(file.name): ended early") }
        defer { nextInBlock += 1 }
        return (block.firstRow + nextInBlock, Array(block.row(nextInBlock)))
    }
}
