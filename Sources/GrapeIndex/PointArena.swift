import CVectorKernels
import Synchronization

/// The points of one index by ordinal: vectors, codes, links, records (see `PointLayout`).
///
/// Thread safety:
///  1. Ordinals are given and taken back under `allocation`.
///  2. A slot is written by the thread that staged it until it is born; after that its vector, code, key, version and
///     shard are constant until the ordinal is freed, which happens only when no pin can lead to it.
///  3. Stamps, marks, locations and links change by atomic stores; links only under the lock in the point's record.
///  4. `highWater` grows only, after the chunk below it is in the table.
final class PointArena: @unchecked Sendable {
    let layout: PointLayout
    private let memory: ChunkedMemory
    /// One byte a chunk: whether something in it has changed since it was last written to a checkpoint.
    private let dirtyChunks: UnsafeMutablePointer<UInt8>
    private let allocation = Mutex(Allocation())
    private let highWaterMark = Atomic<Int>(0)

    private struct Allocation {
        var free: [UInt32] = []
        var highWater = 0
        var mapped = 0
    }

    init(parameters: IndexParameters) throws(IndexError) {
        layout = PointLayout(parameters)
        memory = try ChunkedMemory(chunkBytes: layout.chunkBytes, chunksMax: IndexLimits.chunksMax)
        dirtyChunks = .allocate(capacity: IndexLimits.chunksMax)
        dirtyChunks.initialize(repeating: 0, count: IndexLimits.chunksMax)
    }

    deinit {
        dirtyChunks.deallocate()
    }

    /// All ordinals in use are below this.
    var highWater: Int { highWaterMark.load(ordering: .acquiring) }

    /// Ordinals in use.
    var used: Int { allocation.withLock { $0.highWater - $0.free.count } }

    var view: View { View(chunks: memory.table, layout: layout, dirtyChunks: dirtyChunks) }

    /// Takes an ordinal, staged and without links.
    func allocate() throws(IndexError) -> UInt32 {
        let result = allocation.withLock { state -> Result<UInt32, IndexError> in
            if let ordinal = state.free.popLast() { return .success(ordinal) }
            do throws(IndexError) {
                if state.highWater == state.mapped {
                    _ = try memory.grow()
                    state.mapped += Int(GRAPE_CHUNK_POINTS)
                }
            } catch {
                return .failure(error)
            }
            state.highWater += 1
            highWaterMark.store(state.highWater, ordering: .releasing)
            return .success(UInt32(state.highWater - 1))
        }
        let ordinal = try result.get()
        view.reset(ordinal)
        return ordinal
    }

    /// Makes sure that all ordinals below `count` have memory, and counts them as used (loading a checkpoint).
    func reserve(_ count: Int) throws(IndexError) {
        precondition(count <= IndexLimits.ordinalsMax, "\(count) ordinals are more than an index can number")
        let result = allocation.withLock { state -> Result<Void, IndexError> in
            do throws(IndexError) {
                while state.mapped < count {
                    _ = try memory.grow()
                    state.mapped += Int(GRAPE_CHUNK_POINTS)
                }
            } catch {
                return .failure(error)
            }
            state.highWater = max(state.highWater, count)
            highWaterMark.store(state.highWater, ordering: .releasing)
            return .success(())
        }
        try result.get()
    }

    /// Takes back ordinals that no pin can lead to any more.
    func free(_ ordinals: [UInt32]) {
        let view = view
        for ordinal in ordinals {
            view.setBirth(ordinal, 0)
            view.setLocation(ordinal, .free)
        }
        allocation.withLock { $0.free.append(contentsOf: ordinals) }
    }

    /// Ordinals waiting for reuse (tests).
    var freeOrdinals: [UInt32] { allocation.withLock { $0.free } }
}
