import GrapeIndex
import GrapeModel
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Recall on real text embeddings, as far as the data is there.
struct WordNetTests {
    private static let folder: String = {
        let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
        return root + "/../shared/data/wordnet/"
    }()

    private static var isPresent: Bool { access(folder + "base.f16.npy", R_OK) == 0 }

    /// The numbers of a two-dimensional .npy file after its header.
    private static func read<Element>(_ name: String, as type: Element.Type) throws -> [Element] {
        let file = try #require(fopen(folder + name, "rb"))
        defer { fclose(file) }
        var header = [UInt8](repeating: 0, count: 10)
        #expect(fread(&header, 1, 10, file) == 10)
        fseek(file, 10 + Int(header[8]) + Int(header[9]) << 8, SEEK_SET)
        let start = ftell(file)
        fseek(file, 0, SEEK_END)
        let count = (ftell(file) - start) / MemoryLayout<Element>.stride
        fseek(file, start, SEEK_SET)
        return [Element](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = fread(buffer.baseAddress, MemoryLayout<Element>.stride, count, file)
        }
    }

    @Test(
        .enabled(if: isPresent, "../shared/data/wordnet is not there"), arguments: IndexParameters.Quantization.allCases
    )
    func `wordnet is searched with a recall of 0,95 at default settings`(
        quantization: IndexParameters.Quantization
    ) throws {
        #if arch(arm64) || !os(macOS)
            let base = try Self.read("base.f16.npy", as: Float16.self)
            let queries = try Self.read("queries.f16.npy", as: Float16.self)
            let truth = try Self.read("truth_all.npy", as: Int32.self)
            // A quarter of the rows keeps the test short; the truth is then found by exact search.
            let rows = 30_000
            let index = try CollectionIndex(384, .cosine, quantization: quantization)
            for row in 0..<rows { try index.put(row, base[row * 384..<(row + 1) * 384].map(Float.init)) }
            index.drainTail(threads: 2)
            var found = 0
            for query in 0..<200 {
                let vector = queries[query * 384..<(query + 1) * 384].map(Float.init)
                let exact = index.find(vector, limit: 10, exact: true)
                found += Set(exact).intersection(index.find(vector, limit: 10)).count
                let known = truth[query * 100..<(query + 1) * 100].map(Int.init).filter { $0 < rows }.prefix(10)
                #expect(Set(exact).isSuperset(of: known.dropLast()))
            }
            #expect(Double(found) >= 0.95 * 2_000, "recall \(Double(found) / 2_000)")
        #endif
    }
}
