import Synchronization

/// The nodes of a client, and whether somebody is asking for their health.
///
/// Thread safety: the table and the watch are guarded by the mutex.
final class EndpointBoard: Sendable {
    private struct State {
        var table: EndpointTable
        var isWatching = false
        var lastCall = ContinuousClock.now
    }

    /// After so long without a call nobody asks any more.
    private static let watchDuration = Duration.seconds(10)

    let endpoints: [Endpoint]
    private let state: Mutex<State>

    init(_ endpoints: [Endpoint]) {
        self.endpoints = endpoints
        state = Mutex(State(table: EndpointTable(count: endpoints.count)))
    }

    var count: Int { endpoints.count }

    func begin(avoiding avoided: Set<Int>) -> (index: Int, endpoint: Endpoint) {
        let index = state.withLock { $0.table.begin(avoiding: avoided) }
        return (index, endpoints[index])
    }

    func end(_ index: Int, isReachable: Bool) {
        state.withLock { $0.table.end(index, isReachable: isReachable) }
    }

    func tell(_ index: Int, isHealthy: Bool) {
        state.withLock { $0.table.tell(index, isHealthy: isHealthy) }
    }

    func isHealthy(_ index: Int) -> Bool { state.withLock { $0.table.isHealthy(index) } }

    /// true: nobody was asking; the caller does it from now on.
    func startWatching() -> Bool {
        state.withLock { state in
            state.lastCall = .now
            defer { state.isWatching = true }
            return !state.isWatching
        }
    }

    /// false: no call was made for a while, and whoever asked stops.
    func goesOnWatching() -> Bool {
        state.withLock { state in
            state.isWatching = .now - state.lastCall < Self.watchDuration
            return state.isWatching
        }
    }
}
