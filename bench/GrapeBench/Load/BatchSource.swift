import GrapeModel
import NIOCore

/// Cuts a file of vectors, and the payloads beside it, into bodies of batches; clients take one after the other.
actor BatchSource {
    struct Batch: Sendable {
        let points: Int
        let body: ByteBuffer
    }

    private let file: NumPyFile
    private let payloads: PayloadLines?
    private let batchSize: Int
    private let metric: DistanceMetric
    private var block: VectorBlock?
    private var nextInBlock = 0
    private var handedOut = 0

    /// Rows read at once.
    private static let blockRows = 8_192

    init(base: String, payload: String?, batchSize: Int, metric: DistanceMetric) throws {
        file = try NumPyFile(path: base)
        payloads = try payload.map { try PayloadLines(path: $0) }
        self.batchSize = batchSize
        self.metric = metric
    }

    var header: NumPyHeader { file.header }

    /// Nil behind the last point.
    func next() throws -> Batch? {
        let count = min(batchSize, file.header.rows - handedOut)
        guard count > 0 else { return nil }
        var writer = JSONWriter(capacity: count * file.header.columns * 13)
        writer.beginObject()
        writer.key("vectors")
        writer.beginArray()
        for _ in 0..<count { try writePoint(to: &writer) }
        writer.endArray()
        writer.endObject()
        handedOut += count
        return Batch(points: count, body: ByteBuffer(bytes: writer.bytes))
    }

    private func writePoint(to writer: inout JSONWriter) throws {
        let (row, vector) = try nextRow()
        writer.beginObject()
        writer.key("id")
        writer.integer(row)
        writer.key("vector")
        writer.floats(vector)
        if let payloads {
            guard let line = try payloads.next() else {
                throw BenchFailure("the payload file has \(row) lines, fewer than the \(file.header.rows) vectors")
            }
            writer.key("payload")
            writer.raw(line)
        }
        writer.endObject()
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
