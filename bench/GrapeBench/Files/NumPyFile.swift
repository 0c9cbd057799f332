import Foundation

/// Reads an .npy file block by block, so that a file larger than memory can be measured.
package final class NumPyFile {
    package let header: NumPyHeader
    package let name: String
    private let handle: FileHandle
    private var nextRow = 0

    /// Refuses, besides what `NumPyHeader` refuses, a file that is not as long as its header says.
    package init(path: String) throws(BenchFailure) {
        name = path
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw BenchFailure("\(path): can't be opened for reading")
        }
        self.handle = handle
        do {
            let longest = NumPyHeader.prefixBytes + 4 + NumPyHeader.headerBytesMax
            header = try NumPyHeader(Array(try handle.read(upToCount: longest) ?? Data()), name: path)
            let fileBytes = Int(try handle.seekToEnd())
            guard fileBytes == header.dataOffset + header.dataBytes else {
                throw BenchFailure(
                    "\(path): \(fileBytes) bytes, expected \(header.dataOffset + header.dataBytes) for its "
                        + "\(header.rows) × \(header.columns) numbers")
            }
            try handle.seek(toOffset: UInt64(header.dataOffset))
        } catch let failure as BenchFailure {
            throw failure
        } catch {
            throw BenchFailure("\(path): \(error.localizedDescription)")
        }
    }

    /// The next rows, widened to 32 bits; nil behind the last. For float16 and float32 files.
    ///
    /// - Throws: for a number that is not finite, naming its row.
    package func nextBlock(rowsMax: Int) throws(BenchFailure) -> VectorBlock? {
        guard header.element != .int32 else { throw BenchFailure("\(name): holds int32, expected float16 or float32") }
        precondition(rowsMax > 0, "a block holds at least one row")
        let first = nextRow
        guard let bytes = try nextBytes(rowsMax: rowsMax) else { return nil }
        let values = header.element == .float16 ? Self.widened(float16: bytes) : Self.decoded(float32: bytes)
        if let bad = values.firstIndex(where: { !$0.isFinite }) {
            throw BenchFailure("\(name): row \(first + bad / header.columns) holds a number that is not finite")
        }
        return VectorBlock(firstRow: first, columns: header.columns, values: values)
    }

    /// All rows at once: for queries.
    package static func vectors(path: String) throws(BenchFailure) -> VectorBlock {
        let file = try NumPyFile(path: path)
        guard let block = try file.nextBlock(rowsMax: file.header.rows) else { throw BenchFailure("\(path): no rows") }
        return block
    }

    /// All rows of an int32 file, flat.
    package static func integers(path: String) throws(BenchFailure) -> (columns: Int, values: [Int32]) {
        let file = try NumPyFile(path: path)
        guard file.header.element == .int32 else {
            throw BenchFailure("\(path): numbers of type '\(file.header.element.rawValue)', expected '<i4' (int32)")
        }
        let bytes = try file.nextBytes(rowsMax: file.header.rows) ?? []
        return (file.header.columns, Self.words(bytes).map { Int32(bitPattern: $0) })
    }

    private func nextBytes(rowsMax: Int) throws(BenchFailure) -> [UInt8]? {
        let rows = min(rowsMax, header.rows - nextRow)
        guard rows > 0 else { return nil }
        let wanted = rows * header.columns * header.element.bytes
        var bytes: [UInt8] = []
        bytes.reserveCapacity(wanted)
        while bytes.count < wanted {
            let piece: Data?
            do { piece = try handle.read(upToCount: wanted - bytes.count) } catch {
                throw BenchFailure("\(name): \(error.localizedDescription)")
            }
            guard let piece, !piece.isEmpty else { throw BenchFailure("\(name): was cut while it was read") }
            bytes.append(contentsOf: piece)
        }
        nextRow += rows
        return bytes
    }
}

// MARK: - Numbers

extension NumPyFile {
    private static func words(_ bytes: [UInt8]) -> [UInt32] {
        let input = bytes.span
        return [UInt32](capacity: input.count / 4) { output in
            for start in stride(from: 0, to: input.count, by: 4) {
                output.append(
                    UInt32(input[start]) | UInt32(input[start + 1]) << 8 | UInt32(input[start + 2]) << 16
                        | UInt32(input[start + 3]) << 24)
            }
        }
    }

    private static func decoded(float32 bytes: [UInt8]) -> [Float] {
        words(bytes).map { Float(bitPattern: $0) }
    }

    private static func widened(float16 bytes: [UInt8]) -> [Float] {
        let input = bytes.span
        return [Float](capacity: input.count / 2) { output in
            for start in stride(from: 0, to: input.count, by: 2) {
                output.append(widened(float16: UInt16(input[start]) | UInt16(input[start + 1]) << 8))
            }
        }
    }

    /// Exponent and fraction are moved to their places in 32 bits; the multiplication by 2¹¹² corrects the bias of the
    /// exponent, for subnormal numbers too. Exponent 31 (infinity, NaN) has no such value and stays one.
    package static func widened(float16 bits: UInt16) -> Float {
        let magnitude = UInt32(bits & 0x7fff) << 13
        let sign = UInt32(bits & 0x8000) << 16
        guard bits & 0x7c00 != 0x7c00 else { return Float(bitPattern: sign | 0x7f80_0000 | magnitude & 0x007f_ffff) }
        let value = Float(bitPattern: magnitude) * Float(sign: .plus, exponent: 112, significand: 1)
        return Float(bitPattern: value.bitPattern | sign)
    }
}
