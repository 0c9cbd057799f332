// HOT PATH

/// What happens next in a simulation. Small and flat: what an event carries lies in a `Slab`.
package struct Event: Sendable {
    package enum Kind: UInt8, Sendable {
        case tick, deliver, turn, syncDone, applyDone, restart, clientWake, clientReply, faults, membership
    }

    /// Microseconds of simulated time.
    package var time: UInt64
    package var kind: Kind
    /// The replica or client that it happens to, as a position.
    package var target: Int32
    /// The life of the replica that it belongs to: what was under way before a crash does not happen.
    package var incarnation: UInt32
    /// Where in the slab the message lies; -1 without one.
    package var payload: Int32

    package init(time: UInt64, kind: Kind, target: Int, incarnation: UInt32 = 0, payload: Int32 = -1) {
        self.time = time
        self.kind = kind
        self.target = Int32(target)
        self.incarnation = incarnation
        self.payload = payload
    }
}

/// A binary heap of events, earliest first; events of one moment come in the order in which they were added.
package struct EventQueue: Sendable {
    private var heap: [(event: Event, order: UInt64)] = []
    private var added: UInt64 = 0

    package init() {}

    package var count: Int { heap.count }

    package mutating func push(_ event: Event) {
        let item = (event: event, order: added)
        added += 1
        heap.append(item)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            if !Self.precedes(item, heap[parent]) { break }
            heap[child] = heap[parent]
            child = parent
        }
        heap[child] = item
    }

    package mutating func pop() -> Event? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        let count = heap.count
        if count == 0 { return first.event }
        var parent = 0
        while true {
            var child = 2 * parent + 1
            if child >= count { break }
            if child + 1 < count && Self.precedes(heap[child + 1], heap[child]) { child += 1 }
            if !Self.precedes(heap[child], last) { break }
            heap[parent] = heap[child]
            parent = child
        }
        heap[parent] = last
        return first.event
    }

    private static func precedes(_ left: (event: Event, order: UInt64), _ right: (event: Event, order: UInt64)) -> Bool
    {
        left.event.time < right.event.time || (left.event.time == right.event.time && left.order < right.order)
    }
}
