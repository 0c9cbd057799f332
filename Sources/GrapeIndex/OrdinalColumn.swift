import CVectorKernels
import Synchronization

/// One number for each point: what of its payload a field says, as `PayloadField` numbers the values.
///
/// Thread safety: numbers are atomics. Memory for a point's number is there before the number is stored; whoever reads
/// it without one finds `unknown`.
package final class OrdinalColumn: @unchecked Sendable {
    /// The number of a point that nobody has told.
    package static let unknown: UInt32 = 0

    private let memory: ChunkedMemory
    private let growth = Mutex<Void>(())

    package init() throws(IndexError) {
        memory = try ChunkedMemory(
            chunkBytes: Int(GRAPE_CHUNK_POINTS) * MemoryLayout<UInt32>.stride, chunksMax: IndexLimits.chunksMax)
    }

    var view: View { View(chunks: memory.table) }

    package func set(_ ordinal: Ordinal, to code: UInt32) throws(IndexError) {
        let chunk = Int(ordinal.rawValue >> UInt32(GRAPE_CHUNK_SHIFT))
        if memory.table[chunk] == nil { try grow(to: chunk + 1) }
        guard let slot = view.slot(ordinal.rawValue) else { preconditionFailure("no memory for \(ordinal)") }
        grape_publish_u32(slot, code)
    }

    package func code(of ordinal: Ordinal) -> UInt32 { view.code(ordinal.rawValue) }

    private func grow(to chunks: Int) throws(IndexError) {
        let result = growth.withLock { _ -> Result<Void, IndexError> in
            do throws(IndexError) {
                while memory.count < chunks { _ = try memory.grow() }
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    /// Plain access; valid as long as the column.
    struct View {
        let chunks: UnsafeMutablePointer<UnsafePointer<UInt8>?>

        @inline(__always)
        func slot(_ ordinal: UInt32) -> UnsafeMutablePointer<UInt32>? {
            guard let chunk = chunks[Int(ordinal >> UInt32(GRAPE_CHUNK_SHIFT))] else { return nil }
            let slot =
                UnsafeMutableRawPointer(mutating: chunk) + Int(ordinal & UInt32(GRAPE_CHUNK_MASK))
                * MemoryLayout<UInt32>.stride
            return slot.assumingMemoryBound(to: UInt32.self)
        }

        @inline(__always)
        func code(_ ordinal: UInt32) -> UInt32 { slot(ordinal).map { grape_load_u32($0) } ?? OrdinalColumn.unknown }
    }
}
