import CVectorKernels
import Synchronization

/// Links above level 0: a point of level L has L consecutive blocks of m links, one a level.
///
/// Thread safety: blocks are given and taken back under `allocation`; links are read and written by the rules of
/// `PointArena`.
final class UpperLinks: @unchecked Sendable {
    private static let blockShift = 10
    private static let blocksInChunk = 1 << blockShift

    let m: Int
    private let blockBytes: Int
    private let memory: ChunkedMemory
    private let allocation = Mutex(Allocation())

    private struct Allocation {
        /// Freed runs of blocks by their length.
        var free: [[UInt32]] = Array(repeating: [], count: IndexLimits.levelMax + 1)
        var next = 0
        var mapped = 0
        var used = 0
    }

    init(m: Int) throws(IndexError) {
        self.m = m
        blockBytes = (m * MemoryLayout<UInt32>.stride + 63) / 64 * 64
        memory = try ChunkedMemory(chunkBytes: blockBytes * Self.blocksInChunk, chunksMax: IndexLimits.chunksMax)
    }

    var view: View { View(chunks: memory.table, blockBytes: blockBytes) }

    var bytes: Int { allocation.withLock { $0.used } * blockBytes }

    /// Blocks for a point of this level, without links.
    func allocate(level: Int) throws(IndexError) -> UInt32 {
        precondition((1...IndexLimits.levelMax).contains(level), "level \(level) out of range")
        let result = allocation.withLock { state -> Result<UInt32, IndexError> in
            if let block = state.free[level].popLast() {
                state.used += level
                return .success(block)
            }
            // A run lies within a chunk: what is left of this one is too short for it and stays unused.
            if state.next + level > state.mapped {
                do throws(IndexError) { _ = try memory.grow() } catch { return .failure(error) }
                state.next = state.mapped
                state.mapped += Self.blocksInChunk
            }
            defer { state.next += level }
            state.used += level
            return .success(UInt32(state.next))
        }
        let block = try result.get()
        let view = view
        for index in 0..<level {
            view.block(block + UInt32(index)).update(repeating: GRAPE_NO_ORDINAL, count: m)
        }
        return block
    }

    func free(_ block: UInt32, level: Int) {
        allocation.withLock { state in
            state.free[level].append(block)
            state.used -= level
        }
    }

    /// Plain access to the blocks; valid as long as its owner.
    struct View {
        let chunks: UnsafeMutablePointer<UnsafePointer<UInt8>?>
        let blockBytes: Int

        @inline(__always)
        func block(_ block: UInt32) -> UnsafeMutablePointer<UInt32> {
            let chunk = chunks[Int(block >> UInt32(blockShift))].unsafelyUnwrapped
            let slot = UnsafeMutableRawPointer(mutating: chunk) + Int(block & UInt32(blocksInChunk - 1)) * blockBytes
            return slot.assumingMemoryBound(to: UInt32.self)
        }
    }
}
