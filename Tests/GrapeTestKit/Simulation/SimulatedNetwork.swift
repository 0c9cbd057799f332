/// What becomes of messages: loss, delay, reordering, duplication, and links cut in one direction for a while.
///
/// Decides only when a message arrives, never sees what it says, so anything that sends can use it. Places are replicas
/// by position; clients stand behind them and are never cut off, only unlucky.
package struct SimulatedNetwork {
    package enum Fate {
        case lost
        case arrives(UInt64)
        case arrivesTwice(UInt64, UInt64)
    }

    package static let placesMax = 64

    private var random: Xoshiro256
    /// By link: no message passes before this time.
    private var cutUntil = [UInt64](repeating: 0, count: placesMax * placesMax)
    /// By link: when the last message arrives; later ones keep behind it unless they are reordered.
    private var lastArrival = [UInt64](repeating: 0, count: placesMax * placesMax)

    package init(seed: UInt64) { random = Xoshiro256(seed: seed, stream: 2) }

    package mutating func fate(
        from: Int, to: Int, now: UInt64, _ rates: FaultRates, _ coverage: inout Coverage
    ) -> Fate {
        let link = from * Self.placesMax + to
        if cutUntil[link] > now {
            coverage.count(.messagesCut)
            return .lost
        }
        if random.chance(millionths: rates[.loss]) {
            coverage.count(.messagesLost)
            return .lost
        }
        let first = arrival(link, now, rates, &coverage)
        if random.chance(millionths: rates[.duplication]) {
            coverage.count(.messagesDuplicated)
            return .arrivesTwice(first, arrival(link, now, rates, &coverage) + UInt64(random.below(20_000)))
        }
        return .arrives(first)
    }

    private mutating func arrival(
        _ link: Int, _ now: UInt64, _ rates: FaultRates, _ coverage: inout Coverage
    ) -> UInt64 {
        var time = now + 50 + UInt64(random.below(400))
        if random.chance(millionths: rates[.delay]) {
            coverage.count(.messagesDelayed)
            time += UInt64(random.below(8_000))
        }
        if random.chance(millionths: rates[.reorder]) {
            coverage.count(.messagesReordered)
            return time + UInt64(random.below(3_000))
        }
        time = max(time, lastArrival[link] + 1)
        lastArrival[link] = time
        return time
    }

    package mutating func cut(from: Int, to: Int, until time: UInt64) {
        cutUntil[from * Self.placesMax + to] = max(cutUntil[from * Self.placesMax + to], time)
    }

    package mutating func heal() {
        for link in cutUntil.indices { cutUntil[link] = 0 }
    }
}
