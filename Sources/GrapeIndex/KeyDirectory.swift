import Synchronization

/// Keys of an index: their bytes by ordinal, and the live ordinal of each.
///
/// Sixteen tables, so that growing one stops the others' users for a sixteenth of the time.
///
/// Thread safety: everything under `state`, but for `bytes(of:)`: the key of a point that a pin shows is constant.
final class KeyDirectory: @unchecked Sendable {
    private struct State: @unchecked Sendable {
        let tables: [KeyTable]
    }

    private static let tableCount = 16

    private let arena: KeyArena
    private let points: PointArena.View
    private let state: Mutex<State>
    /// Random, so that nobody can choose keys that collide.
    private let hashSeed = UInt64.random(in: .min ... .max)

    init(points: PointArena.View) throws(IndexError) {
        self.points = points
        arena = try KeyArena()
        state = Mutex(State(tables: (0..<Self.tableCount).map { _ in KeyTable() }))
    }

    var bytesUsed: Int { state.withLock { state in arena.bytesUsed + state.tables.reduce(0) { $0 + $1.bytes } } }

    var count: Int { state.withLock { $0.tables.reduce(0) { $0 + $1.count } } }

    /// Keeps the bytes of a staged point's key.
    func store(_ key: Span<UInt8>) throws(IndexError) -> UInt32 {
        let stored = key.withUnsafeBufferPointer { bytes in
            state.withLock { _ -> Result<UInt32, IndexError> in
                do throws(IndexError) { return .success(try arena.store(Span(_unsafeElements: bytes))) } catch {
                    return .failure(error)
                }
            }
        }
        return try stored.get()
    }

    /// Frees the bytes of keys whose ordinals are being freed.
    func free(_ ordinals: [UInt32]) {
        state.withLock { _ in
            for ordinal in ordinals { arena.free(points.record(ordinal).pointee.key) }
        }
    }

    /// The key of a point, valid while the point is.
    func bytes(of ordinal: UInt32) -> UnsafeRawBufferPointer {
        arena.bytes(points.record(ordinal).pointee.key)
    }

    /// The tag of a point's key, valid while the point is.
    func tag(of ordinal: UInt32) -> UInt8 { arena.tag(points.record(ordinal).pointee.key) }

    func setTag(of ordinal: UInt32, _ tag: UInt8) { arena.setTag(points.record(ordinal).pointee.key, tag) }

    func find(_ key: Span<UInt8>) -> UInt32? {
        key.withUnsafeBufferPointer { find(UnsafeRawBufferPointer($0)) }
    }

    /// Makes `ordinal` the live one of its key; returns the one that was.
    func enter(_ ordinal: UInt32) -> UInt32? {
        let key = bytes(of: ordinal)
        let hash = hash(key)
        return state.withLock { state in
            table(state, hash).insert(hash: UInt32(truncatingIfNeeded: hash), ordinal: ordinal) { equals($0, key) }
        }
    }

    /// Forgets the live ordinal of a key; returns it.
    func remove(_ key: Span<UInt8>) -> UInt32? {
        key.withUnsafeBufferPointer { elements in
            let bytes = UnsafeRawBufferPointer(elements)
            let hash = hash(bytes)
            return state.withLock { state in
                table(state, hash).remove(hash: UInt32(truncatingIfNeeded: hash)) { equals($0, bytes) }
            }
        }
    }

    private func find(_ key: UnsafeRawBufferPointer) -> UInt32? {
        let hash = hash(key)
        return state.withLock { state in
            table(state, hash).find(hash: UInt32(truncatingIfNeeded: hash)) { equals($0, key) }
        }
    }

    private func table(_ state: State, _ hash: UInt64) -> KeyTable { state.tables[Int(hash >> 60)] }

    private func equals(_ ordinal: UInt32, _ key: UnsafeRawBufferPointer) -> Bool {
        let other = bytes(of: ordinal)
        return other.count == key.count && other.elementsEqual(key)
    }

    /// Eight bytes a step, folded through a 128-bit product.
    private func hash(_ key: UnsafeRawBufferPointer) -> UInt64 {
        var hash = hashSeed ^ UInt64(key.count)
        var offset = 0
        while offset < key.count {
            var word: UInt64 = 0
            withUnsafeMutableBytes(of: &word) {
                $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: key[offset..<min(offset + 8, key.count)]))
            }
            let product = (hash ^ word).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
            hash = product.high ^ product.low ^ hashSeed
            offset += 8
        }
        return SplitMix64.mix(hash)
    }
}
