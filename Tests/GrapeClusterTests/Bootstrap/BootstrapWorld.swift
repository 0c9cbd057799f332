import GrapeEngine
import GrapeModel
import GrapeTestKit

import GrapeCluster

/// Nodes that become a cluster, with crashes, emptied directories, lost and repeated messages. What a member does is the
/// least that matters here: it admits nodes if a majority of its cluster's members runs.
struct BootstrapWorld {
    struct Host {
        let nodeID: String
        let peers: [String]
        let seeds: [String]
        /// What lies on its disk.
        var record: MemberRecord
        /// nil: it does not run, or runs as a member.
        var machine: BootstrapMachine?
        var isUp = false
        var failure: String?
    }

    private(set) var hosts: [Host] = []
    /// Members of each cluster by its id, as its catalog would have them.
    private(set) var layouts: [PointID: ClusterLayout] = [:]
    /// Requests under way: they may arrive late, and twice.
    private var requests: [(from: Int, boot: UInt64, ask: BootstrapMachine.Ask)] = []
    private var answers: [(to: Int, boot: UInt64, address: HostPort, answer: BootstrapAnswer)] = []
    /// Answers of the present round of each host.
    private var heard: [[HostPort: BootstrapAnswer]] = []
    private var random: Xoshiro256
    private var lastBoot: UInt64 = 0
    var lossMillionths = 0

    init(seed: UInt64) { random = Xoshiro256(seed: seed) }

    static func address(_ nodeID: String) -> HostPort { HostPort(host: nodeID, port: 7_000) }

    mutating func add(_ nodeID: String, peers: [String] = [], seeds: [String] = []) {
        lastBoot += 1
        let record = MemberRecord(nodeID: nodeID, bootID: lastBoot)
        hosts.append(Host(nodeID: nodeID, peers: peers, seeds: seeds, record: record))
        heard.append([:])
    }

    // MARK: What happens to nodes

    mutating func start(_ place: Int) {
        guard !hosts[place].isUp else { return }
        let host = hosts[place]
        hosts[place].isUp = true
        hosts[place].failure = nil
        heard[place] = [:]
        guard host.record.number == nil else { return }
        let address = Self.address(host.nodeID)
        let greeting = Greeting(
            nodeID: host.nodeID, bootID: host.record.bootID, initialPeers: host.peers.sorted(), shardCount: 4,
            addresses: MemberAddresses(grpc: address, rest: address, raft: address), version: "1")
        hosts[place].machine = BootstrapMachine(
            record: host.record, greeting: greeting,
            peers: host.peers.map { PeerAddress(nodeID: $0, address: Self.address($0)) },
            seeds: host.seeds.map(Self.address), replicaCount: 3)
    }

    mutating func crash(_ place: Int) {
        hosts[place].isUp = false
        hosts[place].machine = nil
        // Connections end with the process.
        requests.removeAll { $0.from == place }
        answers.removeAll { $0.to == place }
    }

    mutating func wipe(_ place: Int) {
        crash(place)
        lastBoot += 1
        hosts[place].record = MemberRecord(nodeID: hosts[place].nodeID, bootID: lastBoot)
    }

    // MARK: Steps

    /// One thing happens somewhere.
    mutating func step() {
        switch random.below(4) {
        case 0: deliverRequest()
        case 1: deliverAnswer()
        case 2: ask(random.below(hosts.count))
        default: take(random.below(hosts.count))
        }
    }

    private mutating func ask(_ place: Int) {
        guard let machine = hosts[place].machine, hosts[place].isUp, requests.count < 200 else { return }
        for ask in machine.asks { requests.append((place, hosts[place].record.bootID, ask)) }
    }

    private mutating func take(_ place: Int) {
        guard var machine = hosts[place].machine, hosts[place].isUp else { return }
        let step = machine.take(heard[place], newCluster: .uuid(high: random.next(), low: random.next()))
        heard[place] = [:]
        keep(machine, place)
        switch step {
        case .member: hosts[place].machine = nil
        case .fail(let reason):
            crash(place)
            hosts[place].failure = reason
        case .wait, .again: break
        }
    }

    private mutating func keep(_ machine: BootstrapMachine, _ place: Int) {
        hosts[place].machine = machine
        guard hosts[place].record != machine.record else { return }
        hosts[place].record = machine.record
        if let cluster = machine.cluster, layouts[cluster.cluster] == nil { layouts[cluster.cluster] = cluster.layout }
    }

    private mutating func deliverRequest() {
        guard !requests.isEmpty else { return }
        let place = random.below(requests.count)
        let request = requests[place]
        if random.below(10) > 0 { requests.remove(at: place) }
        guard !random.chance(millionths: lossMillionths),
            let other = hosts.firstIndex(where: { Self.address($0.nodeID) == request.ask.address }), hosts[other].isUp,
            let answer = answer(request.ask.request, other)
        else { return }
        guard BootstrapRequest(encoded: request.ask.request.encoded) == request.ask.request,
            BootstrapAnswer(encoded: answer.encoded) == answer
        else { preconditionFailure("\(answer) does not survive its own bytes") }
        answers.append((request.from, request.boot, request.ask.address, answer))
    }

    private mutating func deliverAnswer() {
        guard !answers.isEmpty else { return }
        let answer = answers.remove(at: random.below(answers.count))
        guard !random.chance(millionths: lossMillionths), hosts[answer.to].record.bootID == answer.boot else { return }
        heard[answer.to][answer.address] = answer.answer
    }

    private mutating func answer(_ request: BootstrapRequest, _ place: Int) -> BootstrapAnswer? {
        if var machine = hosts[place].machine {
            let answer = machine.answer(request)
            keep(machine, place)
            return answer
        }
        guard let cluster = cluster(of: place) else { return nil }
        switch request {
        case .hello: return .member(cluster)
        case .layout: return .wait("")
        case .found(let founded): return founded.cluster == cluster ? .accepted : .refused("another cluster")
        case .join(let greeting):
            if let founded = hosts[place].record.founded,
                founded.layout.members.contains(where: { $0.bootID == greeting.bootID })
            {
                return .founded(founded)
            }
            return admit(greeting, cluster)
        case .rejoin(let greeting, _): return admit(greeting, cluster)
        }
    }

    private mutating func admit(_ greeting: Greeting, _ cluster: PointID) -> BootstrapAnswer {
        guard hasMajority(cluster), var layout = layouts[cluster] else { return .wait("the cluster has no leader") }
        let outcome = layout.apply(
            .admit(
                nodeID: greeting.nodeID, bootID: greeting.bootID, addresses: greeting.addresses,
                version: greeting.version))
        layouts[cluster] = layout
        switch outcome {
        case .member(let member): return .admitted(FoundedCluster(cluster: cluster, layout: layout), member.number)
        case .otherDirectory: return .refused("another directory")
        default: preconditionFailure("admission came to \(outcome)")
        }
    }

    // MARK: What is seen

    /// The cluster that the host's directory belongs to.
    func cluster(of place: Int) -> PointID? {
        guard hosts[place].record.number != nil else { return nil }
        if let founded = hosts[place].record.founded { return founded.cluster }
        return layouts.keys.sorted { $0.text < $1.text }.first { id in
            layouts[id]?.members.contains { $0.bootID == hosts[place].record.bootID } == true
        }
    }

    /// Whether directories of a majority of the cluster's founders are there as its members: it could elect a leader.
    func hasMajority(_ cluster: PointID, ofRunning: Bool = true) -> Bool {
        guard let layout = layouts[cluster] else { return false }
        let founders =
            hosts.compactMap(\.record.founded).first { $0.cluster == cluster }?.layout.members ?? layout.members
        let present = founders.filter { member in
            hosts.indices.contains { place in
                hosts[place].record.bootID == member.bootID && self.cluster(of: place) == cluster
                    && (!ofRunning || hosts[place].isUp)
            }
        }
        return present.count > founders.count / 2
    }

    /// Clusters that can decide something, now or when all their nodes run.
    var ableClusters: [PointID] {
        layouts.keys.filter { hasMajority($0, ofRunning: false) }.sorted { $0.text < $1.text }
    }
}
