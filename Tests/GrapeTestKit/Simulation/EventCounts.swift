/// How often each kind of event happened.
package struct EventCounts<Kind: CaseIterable & RawRepresentable<Int> & Sendable>: Sendable {
    private var counts = [Int](repeating: 0, count: Kind.allCases.count)

    package init() {}

    package subscript(event: Kind) -> Int { counts[event.rawValue] }

    package mutating func count(_ event: Kind, _ times: Int = 1) { counts[event.rawValue] += times }

    package mutating func add(_ times: Int, to event: Int) {
        if counts.indices.contains(event) { counts[event] += times }
    }

    package mutating func add(_ other: EventCounts) {
        for index in counts.indices { counts[index] += other.counts[index] }
    }
}
