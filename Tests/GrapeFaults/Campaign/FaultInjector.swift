import Foundation

/// Makes faults happen, and undoes them.
struct FaultInjector: Sendable {
    let cluster: LocalCluster
    let standing: Standing

    private var nodes: Range<Int> { cluster.nodes.indices }

    /// The nodes that the fault will touch: of these nothing is expected while it lasts.
    func targets(of fault: Fault) async -> [Int] {
        switch fault.kind {
        case .killAll: Array(nodes)
        case .killBusiest, .isolateBusiest: [await busiest() ?? fault.node]
        case .isolateCatalogLeader: [await catalogLeader() ?? fault.node]
        case .oneWayLink: [fault.node, fault.other]
        case .killOne, .restart, .pause, .isolateOne, .mute, .deafen: [fault.node]
        }
    }

    func inject(_ fault: Fault, into targets: [Int]) async throws {
        standing.set(survivors: standing.survivors.filter { !targets.contains($0) })
        let target = targets[0]
        let proxy = cluster.proxy
        switch fault.kind {
        case .killBusiest, .killOne, .killAll:
            for target in targets { cluster.nodes[target].send(SIGKILL) }
            for target in targets { try await cluster.nodes[target].waitForEnd() }
        case .restart: try await cluster.nodes[target].stop()
        case .pause: cluster.nodes[target].send(SIGSTOP)
        case .isolateBusiest, .isolateOne, .isolateCatalogLeader: await proxy.isolate(target, fault.cut)
        case .mute: await proxy.cut(proxy.outgoing(target), fault.cut)
        case .deafen: await proxy.cut(proxy.incoming(target), fault.cut)
        case .oneWayLink: await proxy.cut([.init(from: target, to: targets[1])], fault.cut)
        }
    }

    func heal(_ fault: Fault, at targets: [Int]) async throws {
        switch fault.kind {
        case .killBusiest, .killOne, .killAll, .restart:
            for target in targets { try cluster.start(target) }
        case .pause: cluster.nodes[targets[0]].send(SIGCONT)
        default: await cluster.proxy.heal(reset: fault.resetsInTheEnd)
        }
    }

    private func busiest() async -> Int? {
        for node in standing.survivors {
            if let name = await cluster.status("/cluster/shards", at: node)?.busiest { return cluster.index(of: name) }
        }
        return nil
    }

    private func catalogLeader() async -> Int? {
        for node in standing.survivors {
            if let name = await cluster.status("/cluster/info", at: node)?.leader { return cluster.index(of: name) }
        }
        return nil
    }
}
