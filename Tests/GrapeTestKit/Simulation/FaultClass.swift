/// The ways in which a simulated world misbehaves, each on or off with a rate of its own in a run.
package enum FaultClass: Int, CaseIterable, Sendable {
    case loss, delay, reorder, duplication, oneWayCut, partition
    case crash, crashAtStorageCallback, lostWrites, tornWrites, slowSync
    case pause, clockRate, transfer, membership, move, snapshot

    /// Millionths: the highest rate at which a run still gets anywhere. What a rate counts is said where it is drawn:
    /// messages, storage callbacks, or rounds of the fault step (one a millisecond of simulated time).
    var rateMax: Int {
        switch self {
        case .loss, .duplication: 150_000
        case .delay, .reorder: 200_000
        case .oneWayCut, .partition: 8_000
        case .crash: 6_000
        case .crashAtStorageCallback: 2_000
        case .lostWrites, .tornWrites: 1_000_000
        case .slowSync: 20_000
        case .pause, .clockRate: 5_000
        case .transfer: 10_000
        case .membership, .move: 500_000
        case .snapshot: 1_000_000
        }
    }
}
