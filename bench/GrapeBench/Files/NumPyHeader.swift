/// What the header of an .npy file says, for the two-dimensional little-endian arrays that benchmarks use.
///
/// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, versions 1.0, 2.0 and 3.0.
package struct NumPyHeader: Equatable, Sendable {
    package enum Element: String, Sendable {
        case float16 = "<f2"
        case float32 = "<f4"
        case int32 = "<i4"

        package var bytes: Int { self == .float16 ? 2 : 4 }
    }

    package let element: Element
    package let rows: Int
    package let columns: Int
    /// Where the first number stands in the file.
    package let dataOffset: Int

    /// Bytes before the length of the header, which takes 2 (version 1) or 4 (later) more.
    package static let prefixBytes = 8
    /// Headers of arrays without fields take a few dozen bytes; more is not such an array.
    package static let headerBytesMax = 1 << 16

    /// Bytes that the array takes.
    package var dataBytes: Int { rows * columns * element.bytes }

    /// - Parameters:
    ///   - bytes: the file's beginning, long enough for the header (`prefixBytes + 4 + headerBytesMax` always is).
    ///   - name: the file's, for messages.
    package init(_ bytes: [UInt8], name: String) throws(BenchFailure) {
        let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
        guard bytes.count >= Self.prefixBytes + 4, Array(bytes[..<6]) == magic else {
            throw BenchFailure("\(name): not an .npy file")
        }
        let lengthBytes: Int
        switch bytes[6] {
        case 1: lengthBytes = 2
        case 2, 3: lengthBytes = 4
        default:
            throw BenchFailure("\(name): .npy format version \(bytes[6]).\(bytes[7]), expected 1.0, 2.0 or 3.0")
        }
        let start = Self.prefixBytes + lengthBytes
        let length = bytes[Self.prefixBytes..<start].reversed().reduce(0) { $0 << 8 | Int($1) }
        guard length <= Self.headerBytesMax, bytes.count >= start + length else {
            throw BenchFailure("\(name): its .npy header of \(length) bytes is cut off or too long")
        }
        let text = String(decoding: bytes[start..<start + length], as: UTF8.self)
        try self.init(dictionary: text, dataOffset: start + length, name: name)
    }

    /// `{'descr': '<f2', 'fortran_order': False, 'shape': (116659, 384), }`
    private init(dictionary text: String, dataOffset: Int, name: String) throws(BenchFailure) {
        guard let kind = Self.value(of: "descr", in: text), let order = Self.value(of: "fortran_order", in: text),
            let shape = Self.value(of: "shape", in: text)
        else { throw BenchFailure("\(name): its .npy header lacks descr, fortran_order or shape") }
        guard let element = Element(rawValue: kind.trimmed(of: "'\"")) else {
            throw BenchFailure(
                "\(name): numbers of type \(kind), expected '<f2' (float16), '<f4' (float32) or '<i4' (int32)")
        }
        guard order == "False" else { throw BenchFailure("\(name): in Fortran order, expected C order (row by row)") }
        let sizes = shape.trimmed(of: "()").split(separator: ",").map { Int($0.trimmed(of: " ")) ?? 0 }
        guard sizes.count == 2, sizes.allSatisfy({ $0 > 0 }), sizes[0] < 1 << 32, sizes[1] < 1 << 24 else {
            throw BenchFailure("\(name): shape \(shape), expected (rows, columns)")
        }
        self.element = element
        self.rows = sizes[0]
        self.columns = sizes[1]
        self.dataOffset = dataOffset
    }

    /// The text of one entry: up to the comma behind it, commas inside brackets left alone.
    private static func value(of key: String, in text: String) -> String? {
        guard let found = text.firstRange(of: "'\(key)':") else { return nil }
        let rest = text[found.upperBound...].drop { $0 == " " }
        guard let end = rest.firstIndex(where: { $0 == (rest.first == "(" ? ")" : ",") }) else { return nil }
        return rest.first == "(" ? String(rest[...end]) : String(rest[..<end]).trimmed(of: " ")
    }
}

extension StringProtocol {
    fileprivate func trimmed(of characters: String) -> String {
        var rest = self[...]
        while let first = rest.first, characters.contains(first) { rest = rest.dropFirst() }
        while let last = rest.last, characters.contains(last) { rest = rest.dropLast() }
        return String(rest)
    }
}
