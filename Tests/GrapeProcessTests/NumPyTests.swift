import Foundation
import GrapeBench
import Testing

/// What of NumPy's format `grape-bench` reads, and how it refuses the rest.
struct NumPyTests {
    private func file(version: UInt8 = 1, _ dictionary: String, data: [UInt8] = []) -> [UInt8] {
        let text = Array(dictionary.utf8) + [UInt8(ascii: "\n")]
        let length = version == 1 ? 2 : 4
        let size = (0..<length).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) }
        return [0x93] + Array("NUMPY".utf8) + [version, 0] + size + text + data
    }

    private func written(_ bytes: [UInt8]) throws -> String {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("grape-\(UUID().uuidString).npy")
        try Data(bytes).write(to: path)
        return path.path
    }

    @Test("versions 1, 2 and 3 are read", arguments: [UInt8](1...3))
    func versions(_ version: UInt8) throws {
        let bytes = file(version: version, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 7), }")
        let header = try NumPyHeader(bytes, name: "x.npy")
        #expect(header.element == .float32)
        #expect((header.rows, header.columns, header.dataOffset) == (3, 7, bytes.count))
    }

    @Test(
        "what can't be used is refused with a line that says what was expected",
        arguments: [
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (3, 7), }", "float16"),
            ("{'descr': '>f4', 'fortran_order': False, 'shape': (3, 7), }", "float16"),
            ("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 7), }", "C order"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", "(rows, columns)"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 0), }", "(rows, columns)"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (-3, 7), }", "(rows, columns)"),
            ("{'descr': '<f4', 'shape': (3, 7), }", "lacks"),
        ])
    func refusals(_ dictionary: String, _ expected: String) {
        let failure = #expect(throws: BenchFailure.self) { try NumPyHeader(file(dictionary), name: "x.npy") }
        #expect(failure?.description.contains(expected) == true, "\(failure?.description ?? "")")
        #expect(failure?.description.hasPrefix("x.npy: ") == true)
    }

    @Test("other files and cut headers are refused")
    func others() {
        let whole = file("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 7), }")
        let foreign = Array("PK\u{3}\u{4} not NumPy at all".utf8)
        for bytes in [[], foreign, Array(whole.prefix(40)), file(version: 9, "{}")] {
            #expect(throws: BenchFailure.self) { try NumPyHeader(bytes, name: "x.npy") }
        }
    }

    @Test("a file shorter or longer than its shape is refused", arguments: [-1, 1])
    func wrongLength(_ difference: Int) throws {
        let data = [UInt8](repeating: 0, count: 3 * 7 * 2 + difference)
        let path = try written(file("{'descr': '<f2', 'fortran_order': False, 'shape': (3, 7), }", data: data))
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(throws: BenchFailure.self) { try NumPyFile(path: path) }
    }

    @Test("float16 is widened as the processor does it, for all 65,536 values")
    func widening() {
        for bits in UInt16.min...UInt16.max {
            let exact = Float(Float16(bitPattern: bits))
            let found = NumPyFile.widened(float16: bits)
            guard exact.isNaN ? !found.isNaN : found.bitPattern != exact.bitPattern else { continue }
            Issue.record("\(bits): \(found), expected \(exact)")
            return
        }
    }

    @Test("blocks follow one another and hold the rows in order; a number that is not finite is refused by row")
    func blocks() throws {
        var data: [UInt8] = (0..<10).flatMap { (row: UInt8) -> [UInt8] in [row, 0x3c, 0, 0xbc] }
        let path = try written(file("{'descr': '<f2', 'fortran_order': False, 'shape': (10, 2), }", data: data))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let reader = try NumPyFile(path: path)
        var rows: [Float] = []
        while let block = try reader.nextBlock(rowsMax: 4) {
            #expect(block.firstRow == rows.count)
            rows += (0..<block.rows).map { block.row($0).first ?? 0 }
        }
        let expected: [Float] = (0..<10).map { 1 + Float($0) / 1_024 }
        #expect(rows == expected)

        (data[4 * 7], data[4 * 7 + 1]) = (0, 0x7c)
        let infinite = try written(file("{'descr': '<f2', 'fortran_order': False, 'shape': (10, 2), }", data: data))
        defer { try? FileManager.default.removeItem(atPath: infinite) }
        let failure = #expect(throws: BenchFailure.self) {
            try NumPyFile(path: infinite).nextBlock(rowsMax: 10)
        }
        #expect(failure?.description.contains("row 7") == true)
    }

    @Test("rows are scaled to length 1; a zero row is refused by number")
    func normalising() throws {
        var block = VectorBlock(firstRow: 40, columns: 2, values: [3, 4, 0, -2])
        try block.normalise(name: "x.npy")
        #expect(block.values == [0.6, 0.8, 0, -1] as [Float])
        var zero = VectorBlock(firstRow: 40, columns: 2, values: [3, 4, 0, 0])
        let failure = #expect(throws: BenchFailure.self) { try zero.normalise(name: "x.npy") }
        #expect(failure?.description.contains("row 41") == true)
    }

    @Test("payload lines come out of a gzip file one by one, also where the last lacks its end")
    func payloads() throws {
        let sample = packageRoot.appendingPathComponent("bench/sample/payload.jsonl.gz").path
        let lines = try PayloadLines(path: sample)
        var count = 0
        while try lines.next() != nil { count += 1 }
        #expect(count == 3_000)
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("grape-\(UUID().uuidString).jsonl")
        try Data("{\"a\":1}\n{}".utf8).write(to: path)
        defer { try? FileManager.default.removeItem(at: path) }
        let plain = try PayloadLines(path: path.path)
        #expect(try plain.next() == Array("{\"a\":1}".utf8))
        #expect(try plain.next() == Array("{}".utf8))
        #expect(try plain.next() == nil)
    }
}
