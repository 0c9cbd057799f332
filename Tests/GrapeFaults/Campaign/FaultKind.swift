import ArgumentParser

/// What can happen to a cluster. "Busiest" is the node that leads most shards.
package enum FaultKind: String, Sendable, CaseIterable, ExpressibleByArgument {
    case killBusiest = "kill-busiest"
    case killOne = "kill-one"
    /// All at once: what was acknowledged must come back from the disks.
    case killAll = "kill-all"
    /// SIGTERM and a new start, as in an update.
    case restart
    /// SIGSTOP, later SIGCONT.
    case pause
    case isolateBusiest = "isolate-busiest"
    case isolateOne = "isolate-one"
    /// The leader of the cluster's own group.
    case isolateCatalogLeader = "isolate-catalog-leader"
    /// One node is heard by nobody.
    case mute
    /// One node hears nobody.
    case deafen
    /// One node does not hear one other.
    case oneWayLink = "one-way-link"

    var isKill: Bool { self == .killBusiest || self == .killOne || self == .killAll }
    /// Whether it needs more than one node.
    var needsPeers: Bool {
        switch self {
        case .killAll, .killOne, .killBusiest, .restart, .pause: false
        default: true
        }
    }
}

/// A fault that is to happen in one phase, everything drawn beforehand so that it follows from the seed.
struct Fault: Sendable {
    let kind: FaultKind
    /// A node by chance, and another one; which node is the busiest is only known when the time comes.
    let node: Int
    let other: Int
    let cut: RaftProxy.CutStyle
    /// Whether connections that were cut are reset when the link heals.
    let resetsInTheEnd: Bool
    let milliseconds: Int
}
