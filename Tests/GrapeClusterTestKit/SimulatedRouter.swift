import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage
import GrapeTestKit

/// `Router` without threads: takes writes to the leaders of their shards, again and again under one origin until their
/// fate is known, and answers reads behind a round of their groups.
final class SimulatedRouter {
    private struct Write {
        var attempts: WriteAttempts
        var deadline: UInt64
        /// Not sent again before.
        var nextAttempt: UInt64 = 0
        /// An attempt is under way until then, under this number.
        var attemptEnd: UInt64?
        var attempt: UInt64 = 0
        var tries = 0
        let finish: (WriteFate) -> Void
    }

    private struct Row {
        var incarnation: UInt64
        var next: UInt64 = 1
        var open: [Bool] = []
    }

    private struct Read {
        var token: UInt64
        var request: ClientRequest
    }

    private unowned let run: NodeRun
    private var world: ClusterWorld { run.world }
    /// In the order in which they came.
    private var writes: [(call: UInt64, write: Write)] = []
    private var reads: [Read] = []
    private var rows: [LogGroup: Row] = [:]
    /// No other run of any node has the same.
    private lazy var nextCall = UInt64(run.node.place) << 48 | UInt64(run.node.incarnation) << 32 | 1

    static let collection = "points"
    /// How long one attempt may take.
    private static let attemptTime: UInt64 = 15_000

    init(_ run: NodeRun) { self.run = run }

    // MARK: Clients

    func receive(_ request: ClientRequest) {
        guard run.node.requests.insert([request.client, request.sequence, request.attempt]).inserted else { return }
        self.request(request)
    }

    private func request(_ request: ClientRequest) {
        guard let (collection, version) = try? run.engine.resolve(Self.collection) else {
            return answer(request, .notHere)
        }
        switch request.kind {
        case .read(let key): read(key, request, collection)
        case .search: search(request, collection)
        case .upsert(let key, let value):
            let point = Self.point(key: key, value: value, padding: Int(request.sequence % 7) * 90)
            write(request, id: key, .upsert(collection.schema.id, [point]), version, collection)
        case .delete(let key):
            write(
                request, id: key, .delete(collection.schema.id, [WrittenID(number: UInt64(key)).id]), version,
                collection)
        }
    }

    private func answer(_ request: ClientRequest, _ kind: ClientAnswer.Kind) {
        world.send(
            .answer(ClientAnswer(client: request.client, sequence: request.sequence, kind: kind)), from: run.node.place,
            to: ClusterWorld.firstClient + request.client)
    }

    static func point(key: Int, value: Int, padding: Int) -> PointWrite {
        var block: [UInt8] = []
        VectorBlock.encode([PositionedVector(position: 0, values: [Float(1 + value % 97), 1])], into: &block)
        let text = "{\"v\":\(value),\"p\":\"\(String(repeating: "x", count: padding))\"}"
        return PointWrite(
            id: WrittenID(number: UInt64(key)), vectorBlock: block, payload: Payload(uncheckedJSON: Array(text.utf8)))
    }

    private static func value(of payload: Payload?) -> Int? {
        guard let json = payload?.json else { return nil }
        let digits = json.dropFirst(5).prefix { $0 >= 0x30 && $0 <= 0x39 }
        return digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }

    // MARK: Reads

    private func read(_ key: Int, _ request: ClientRequest, _ collection: Collection) {
        let id = WrittenID(number: UInt64(key)).id
        let shard = run.engine.shard(of: id, in: collection.schema.id)
        guard run.engine.servedShards.contains(shard), run.loop.driver(.shard(shard)) != nil,
            run.loop.driver(.catalog) != nil
        else { return answer(request, .notHere) }
        if world.options.plantedBug == .readWithoutBarrier { return finishRead(id, shard, request, collection) }
        let token = run.read([.shard(shard), .catalog]) { [unowned self] isReadable in
            reads.removeAll { $0.request.client == request.client && $0.request.sequence == request.sequence }
            guard isReadable else { return answer(request, .notHere) }
            finishRead(id, shard, request, collection)
        }
        reads.append(Read(token: token, request: request))
    }

    private func search(_ request: ClientRequest, _ collection: Collection) {
        let shards = run.engine.servedShards
        let groups = shards.sorted.map(LogGroup.shard) + [.catalog]
        guard !shards.isEmpty, groups.allSatisfy({ run.loop.driver($0) != nil }) else {
            return answer(request, .notHere)
        }
        let token = run.read(groups) { [unowned self] isReadable in
            reads.removeAll { $0.request.client == request.client && $0.request.sequence == request.sequence }
            guard isReadable, let found = found(shards, collection) else { return answer(request, .notHere) }
            world.coverage.count(.searchesServed)
            answer(request, .found(found))
        }
        reads.append(Read(token: token, request: request))
    }

    /// What a search finds of all points that can be in these shards; nil where it can't be carried out.
    private func found(_ shards: ShardSet, _ collection: Collection) -> [(key: Int, value: Int?)]? {
        let request = SearchRequest(vector: [1, 1], limit: 1_000)
        guard let hits = try? run.engine.search(request, in: collection, shards: shards) else { return nil }
        let keys = Array(0..<world.options.keys) + (0..<PointHistory.otherCount).map { PointHistory.firstOther + $0 }
        return keys.compactMap { key in
            let id = WrittenID(number: UInt64(key)).id
            guard shards.contains(run.engine.shard(of: id, in: collection.schema.id)) else { return nil }
            return (key, Self.value(of: hits.first { $0.id.id == id }?.payload))
        }
    }

    /// What is here at the end, without a barrier: all replicas are equal.
    func readAll(_ history: inout PointHistory, call: Int) {
        guard let (collection, _) = try? run.engine.resolve(Self.collection),
            let found = found(run.engine.servedShards, collection)
        else { return world.note(.storage, "node \(run.number) can't search") }
        for (key, value) in found { history.read(value, key: key, call: call, completion: call + 1) }
    }

    private func finishRead(_ id: PointID, _ shard: ShardID, _ request: ClientRequest, _ collection: Collection) {
        guard run.engine.servedShards.contains(shard), let point = try? run.engine.point(id, in: collection) else {
            if run.engine.servedShards.contains(shard) { return answer(request, .value(nil)) }
            return answer(request, .notHere)
        }
        let isLeader = run.loop.driver(.shard(shard))?.raft.status.role == .leader
        world.coverage.count(isLeader ? .readsServedByLeader : .readsServedByFollower)
        answer(request, .value(Self.value(of: point.payload)))
    }

    // MARK: Writes

    private func write(
        _ request: ClientRequest, id: Int, _ command: ShardCommand, _ version: CatalogVersion, _ collection: Collection
    ) {
        let shard = run.engine.shard(of: WrittenID(number: UInt64(id)).id, in: collection.schema.id)
        write(
            to: shard, command, key: request.idempotencyKey, version: version, deadline: request.deadline
        ) { [unowned self] fate in
            switch fate {
            case .applied(.staleCatalog):
                world.coverage.count(.writesResolvedAgain)
                self.request(request)
            case .applied(.forgotten), .applied(.staleEpoch), .unknown: answer(request, .unknown)
            case .applied: answer(request, .written)
            case .refused: answer(request, .refused)
            }
        }
    }

    private func write(
        to shard: ShardID, _ command: ShardCommand, key: [UInt8] = [], version: CatalogVersion, deadline: UInt64,
        then finish: @escaping (WriteFate) -> Void
    ) {
        let group = LogGroup.shard(shard)
        let origin = open(group)
        let entry = LogEntry(
            catalogVersion: version, epoch: run.engine.epoch(of: shard), origin: origin, idempotencyKey: key,
            command: command)
        let pieces = entry.encodedPieces(entryBytesMax: world.options.entryBytesMax)
        if pieces.count > 1 { world.coverage.count(.writesInPieces) }
        commit(RoutedWrite(group: group, entries: pieces), deadline: deadline) { [unowned self] fate in
            close(origin, group)
            finish(fate)
        }
    }

    func commit(_ write: RoutedWrite, deadline: UInt64, then finish: @escaping (WriteFate) -> Void) {
        let call = nextCall
        nextCall += 1
        writes.append((call, Write(attempts: WriteAttempts(write), deadline: deadline, finish: finish)))
        attempt(call)
    }

    /// Sends what is open to the leader, as far as anybody here knows it.
    private func attempt(_ call: UInt64) {
        guard let place = writes.firstIndex(where: { $0.call == call }) else { return }
        let group = writes[place].write.attempts.write.group
        guard let node = writes[place].write.attempts.leader ?? leader(of: group) else {
            writes[place].write.nextAttempt = world.now + 3_000
            return
        }
        if writes[place].write.tries > 0 {
            world.coverage.count(.writesRetried)
            if world.options.plantedBug == .originIgnored { rename(place) }
        }
        writes[place].write.tries += 1
        writes[place].write.attemptEnd = world.now + Self.attemptTime
        writes[place].write.attempt = nextCall
        let attempt = nextCall
        nextCall += 1
        let proposals = writes[place].write.attempts.write.entries.map { Proposal(group: group, entry: $0) }
        if node == run.number {
            run.propose(proposals) { [unowned self] in received($0, call: attempt) }
        } else {
            world.send(.proposals(proposals, call: attempt, from: run.node.place), from: run.node.place, toNode: node)
        }
    }

    private func leader(of group: LogGroup) -> NodeNumber? {
        if let leader = run.loop.driver(group)?.raft.status.leader, leader != .none { return leader.node }
        return run.driver.leader(of: group)
    }

    func received(_ results: [ProposalResult], call: UInt64) {
        guard let place = writes.firstIndex(where: { $0.write.attempt == call && $0.write.attemptEnd != nil }) else {
            return
        }
        writes[place].write.attempts.take(results[...])
        writes[place].write.attemptEnd = nil
        writes[place].write.nextAttempt = world.now + UInt64(world.timing.within(500...4_000))
        settle(place)
    }

    private func settle(_ place: Int) {
        guard let fate = writes[place].write.attempts.fate else { return }
        let write = writes.remove(at: place).write
        if write.tries > 1, case .applied = fate { world.coverage.count(.duplicatesAnswered) }
        write.finish(fate)
    }

    func tick() {
        for (call, write) in writes {
            guard let place = writes.firstIndex(where: { $0.call == call }) else { continue }
            if world.now >= write.deadline {
                if write.attemptEnd != nil { writes[place].write.attempts.noAnswer(mayHaveArrived: true) }
                writes[place].write.attempts.end(GrapeError(.unavailable, "no leader"))
                settle(place)
            } else if let end = write.attemptEnd {
                guard world.now >= end else { continue }
                writes[place].write.attempts.noAnswer(mayHaveArrived: true)
                writes[place].write.attemptEnd = nil
                attempt(call)
            } else if world.now >= write.nextAttempt {
                attempt(call)
            }
        }
        for read in reads where world.now >= read.request.deadline {
            run.cancelRead(read.token)
            world.coverage.count(.readsUnanswered)
            answer(read.request, .notHere)
        }
        reads.removeAll { world.now >= $0.request.deadline }
    }

    // MARK: Origins

    /// As `WriteOrigins`, with names that the seed gives.
    private func open(_ group: LogGroup) -> WriteOrigin {
        var row = rows[group] ?? Row(incarnation: max(1, world.seeds.next()))
        let origin = WriteOrigin(
            incarnation: row.incarnation, sequence: row.next, lowestOpen: row.next - UInt64(row.open.count))
        row.open.append(true)
        row.next += 1
        rows[group] = row
        return origin
    }

    private func close(_ origin: WriteOrigin, _ group: LogGroup) {
        guard var row = rows[group] else { return }
        row.open[Int(origin.sequence - (row.next - UInt64(row.open.count)))] = false
        row.open.removeFirst(row.open.prefix { !$0 }.count)
        rows[group] = row
    }

    /// Planted: the repetition of a write is another write.
    private func rename(_ place: Int) {
        let write = writes[place].write.attempts.write
        guard case .shard = write.group, var entry = LogEntry(encoded: write.entries[0]), write.entries.count == 1
        else {
            return
        }
        entry.origin = .none
        entry.idempotencyKey = []
        writes[place].write.attempts = WriteAttempts(RoutedWrite(group: write.group, entries: [entry.encoded]))
    }

    // MARK: Catalog

    func commit(_ command: CatalogCommand, deadline: UInt64, then finish: @escaping (CatalogOutcome?) -> Void) {
        commit(RoutedWrite(group: .catalog, entries: [command.encoded]), deadline: deadline) { fate in
            if case .applied(.catalog(let outcome)) = fate { finish(outcome) } else { finish(nil) }
        }
    }

    /// The steps after the first of making or dropping a collection: a fence in every shard, then the catalog's word.
    func finish(_ entry: CatalogEntry, deadline: UInt64) {
        let isDropping = entry.phase == .dropping
        let id = entry.schema.id
        var open = world.options.shards
        for number in 0..<world.options.shards {
            write(
                to: ShardID(UInt16(number)), .fence(entry.version, dropping: isDropping ? id : nil),
                version: entry.version, deadline: deadline
            ) { [unowned self] fate in
                guard case .applied(.fenced) = fate else { return }
                open -= 1
                guard open == 0 else { return }
                commit(isDropping ? .dropped(id) : .created(id), deadline: deadline) { [unowned self] outcome in
                    guard case .done = outcome else { return }
                    world.coverage.count(isDropping ? .collectionsDropped : .collectionsMade)
                }
            }
        }
    }
}
