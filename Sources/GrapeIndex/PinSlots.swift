import Synchronization

/// The stamps of the pins that are held: a fixed row of atomics, and a locked list for when all are taken.
///
/// Thread safety: a slot belongs to whoever changed it from `free`; `oldest` may be asked at any time.
final class PinSlots: @unchecked Sendable {
    /// Where a pin is written down.
    enum Slot: Sendable {
        case row(Int)
        case overflow(UInt64)
    }

    private static let count = 128
    /// Slots lie a cache line apart: searches on different cores write different lines.
    private static let spacing = 8
    private static let free = UInt64.max

    private let row: UnsafeMutablePointer<Atomic<UInt64>>
    private let hint = Atomic<Int>(0)
    private let overflow = Mutex<[UInt64]>([])

    init() {
        row = .allocate(capacity: Self.count * Self.spacing)
        for index in 0..<Self.count * Self.spacing {
            (row + index).initialize(to: Atomic(Self.free))
        }
    }

    deinit {
        row.deinitialize(count: Self.count * Self.spacing)
        row.deallocate()
    }

    /// Writes down a stamp read by `stamp` while the slot is held or its lock taken.
    func acquire(stamp: () -> UInt64) -> Slot {
        let start = hint.wrappingAdd(1, ordering: .relaxed).oldValue
        for step in 0..<Self.count {
            let index = (start &+ step) & (Self.count - 1)
            let slot = row + index * Self.spacing
            guard slot.pointee.load(ordering: .relaxed) == Self.free else { continue }
            let value = stamp()
            if slot.pointee.compareExchange(
                expected: Self.free, desired: value, ordering: .sequentiallyConsistent
            ).exchanged {
                return .row(index)
            }
        }
        return overflow.withLock { list in
            let value = stamp()
            list.append(value)
            return .overflow(value)
        }
    }

    func release(_ slot: Slot) {
        switch slot {
        case .row(let index):
            precondition(index < Self.count, "pin slot out of range")
            (row + index * Self.spacing).pointee.store(Self.free, ordering: .releasing)
        case .overflow(let value):
            overflow.withLock { list in
                guard let index = list.firstIndex(of: value) else { preconditionFailure("pin released twice") }
                list.swapAt(index, list.count - 1)
                list.removeLast()
            }
        }
    }

    /// The lowest stamp written down; `UInt64.max` without pins.
    var oldest: UInt64 {
        var oldest = overflow.withLock { $0.min() ?? Self.free }
        for index in 0..<Self.count {
            oldest = min(oldest, (row + index * Self.spacing).pointee.load(ordering: .sequentiallyConsistent))
        }
        return oldest
    }
}
