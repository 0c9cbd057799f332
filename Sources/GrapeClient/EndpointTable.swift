/// Which node gets the next call: of the healthy ones that which has the fewest under way, of equals each in its turn.
///
/// A node is thought healthy until a call or its own answer tells otherwise; where none is healthy all are tried.
package struct EndpointTable {
    private struct State {
        var isHealthy = true
        var callsUnderWay = 0
    }

    private var states: [State]
    private var turn = 0

    package init(count: Int) {
        precondition(count > 0, "a cluster has at least one endpoint")
        states = Array(repeating: State(), count: count)
    }

    package func isHealthy(_ index: Int) -> Bool { states[index].isHealthy }

    /// Chooses a node and counts the call. Every call is paired with `end`.
    ///
    /// - Parameter avoided: nodes that this call has tried; they get it again only where there is no other.
    package mutating func begin(avoiding avoided: Set<Int>) -> Int {
        let places = states.indices.map { (turn + $0) % states.count }
        turn = (turn + 1) % states.count
        // 1. healthy and not tried, 2. not tried, 3. healthy, 4. any.
        let classes = [
            places.filter { states[$0].isHealthy && !avoided.contains($0) }, places.filter { !avoided.contains($0) },
            places.filter { states[$0].isHealthy }, places,
        ]
        let candidates = classes.first { !$0.isEmpty } ?? places
        let fewest = candidates.map { states[$0].callsUnderWay }.min() ?? 0
        let chosen = candidates.first { states[$0].callsUnderWay == fewest } ?? places[0]
        states[chosen].callsUnderWay += 1
        return chosen
    }

    /// A node that could not be reached gets no calls until it has said that it is healthy.
    package mutating func end(_ index: Int, isReachable: Bool) {
        precondition(states[index].callsUnderWay > 0, "a call ends once")
        states[index].callsUnderWay -= 1
        if !isReachable { states[index].isHealthy = false }
    }

    /// What a node said of itself.
    package mutating func tell(_ index: Int, isHealthy: Bool) { states[index].isHealthy = isHealthy }
}
