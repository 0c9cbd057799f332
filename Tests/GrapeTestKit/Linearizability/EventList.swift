/// The calls and completions of a history in the order of time, as a doubly linked list in flat arrays, so that an
/// operation is taken out and put back in constant time.
///
/// Invariant: operations are put back in the opposite order of taking out (the links of a lifted event are kept as they
/// were). While a completed operation is in the list, its completion stands behind every call that the search may try.
struct EventList {
    /// The sentinel in front of the first event and behind the last.
    private let end: Int
    private var nexts: [Int32]
    private var previouses: [Int32]
    /// Operation and kind of each event.
    private let operations: [(operation: Int32, isCall: Bool)]
    /// Both events of each operation; completion -1 where there is none.
    private let places: [(call: Int32, completion: Int32)]

    init<Operation>(_ history: [TimedOperation<Operation>]) {
        var events: [(time: Int, operation: Int32, isCall: Bool)] = []
        for (index, timed) in history.enumerated() {
            events.append((timed.call, Int32(index), true))
            if let completion = timed.completion { events.append((completion, Int32(index), false)) }
        }
        // At one moment calls stand first: those operations overlap.
        events.sort { ($0.time, $0.isCall ? 0 : 1, $0.operation) < ($1.time, $1.isCall ? 0 : 1, $1.operation) }
        var places = [(call: Int32, completion: Int32)](repeating: (-1, -1), count: history.count)
        for (position, event) in events.enumerated() {
            if event.isCall {
                places[Int(event.operation)].call = Int32(position)
            } else {
                places[Int(event.operation)].completion = Int32(position)
            }
        }
        end = events.count
        operations = events.map { ($0.operation, $0.isCall) }
        self.places = places
        let ring = Int32(end + 1)
        nexts = (0..<ring).map { ($0 + 1) % ring }
        previouses = (0..<ring).map { ($0 + ring - 1) % ring }
    }

    var first: Int { Int(nexts[end]) }

    func next(_ event: Int) -> Int { Int(nexts[event]) }
    func operation(of event: Int) -> Int { Int(operations[event].operation) }
    func isCall(_ event: Int) -> Bool { operations[event].isCall }
    func call(of operation: Int) -> Int { Int(places[operation].call) }

    mutating func lift(_ operation: Int) {
        let place = places[operation]
        unlink(Int(place.call))
        if place.completion >= 0 { unlink(Int(place.completion)) }
    }

    mutating func unlift(_ operation: Int) {
        let place = places[operation]
        if place.completion >= 0 { relink(Int(place.completion)) }
        relink(Int(place.call))
    }

    private mutating func unlink(_ event: Int) {
        nexts[Int(previouses[event])] = nexts[event]
        previouses[Int(nexts[event])] = previouses[event]
    }

    private mutating func relink(_ event: Int) {
        nexts[Int(previouses[event])] = Int32(event)
        previouses[Int(nexts[event])] = Int32(event)
    }
}
