import Foundation
import GrapeFaults
import GrapeModel
import GrapeStorage
import Testing

/// Replicas that were altered behind the system's back, or damaged: named by the check, made anew by the repair.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct ClusterRepairTests {
    private static let points = 200

    private func filled() async throws -> LocalCluster {
        let cluster = try await LocalCluster.running()
        try await cluster.write(Self.points)
        // What a majority has acknowledged a node that is stopped now may lack.
        for node in 0..<3 { try await cluster.waitUntilHolding(Self.points, at: node) }
        return cluster
    }

    /// What a check finds. Made again while replicas of nodes that run gave no answer, as on a busy machine; a difference
    /// is final.
    private func check(
        _ cluster: LocalCluster, deep: Bool = false, at node: Int = 0, away: Set<String> = []
    ) async throws -> JSONDocument {
        var last: RestAnswer?
        var found: JSONDocument?
        _ = try await poll(for: LocalCluster.patience, every: .milliseconds(300)) {
            last = await cluster.ask(.GET, "/cluster/consistency/check\(deep ? "?deep=true" : "")", at: node)
            guard let last, last.status == 200 else { return false }
            let check = try JSONDocument(parsing: last.body)
            found = check
            return !different(check).isEmpty || missing(check).values.allSatisfy { away.isSuperset(of: $0) }
        }
        guard let found else { throw ClusterNode.Failure("no check: \(last?.text ?? "no answer")") }
        return found
    }

    /// Whether a deep check comes to find all replicas equal.
    private func becomesEqual(_ cluster: LocalCluster, at node: Int) async -> Bool {
        await poll(for: LocalCluster.patience, every: .milliseconds(300)) {
            let answer = await cluster.ask(.GET, "/cluster/consistency/check?deep=true", at: node)
            let check = answer.flatMap { try? JSONDocument(parsing: $0.body) }
            return check?.root.field("consistent")?.bool == true
        }
    }

    /// The nodes that a check calls different, by shard.
    private func different(_ check: JSONDocument) -> [Int: [String]] { nodes(in: "different", of: check) }

    /// Those of whose replicas it knows nothing.
    private func missing(_ check: JSONDocument) -> [Int: [String]] { nodes(in: "missing", of: check) }

    private func nodes(in list: String, of check: JSONDocument) -> [Int: [String]] {
        var found: [Int: [String]] = [:]
        for row in check.root.field("shards")?.elements.map({ $0 }) ?? [] {
            guard let shard = row.field("shard")?.int64, let list = row.field(list) else { continue }
            found[Int(shard)] = list.elements.compactMap { $0.field("node")?.string }
        }
        return found
    }

    private func alter(_ cluster: LocalCluster, _ node: Int, shard: Int, withDigest: Bool) async throws -> UInt64 {
        try await cluster.nodes[node].stop()
        let id = try StoreSurgeon(directory: cluster.nodes[node].data).alter(shard: shard, withDigest: withDigest)
        try cluster.start(node)
        try await cluster.waitUntilHealthy(node)
        try await cluster.waitUntilWhole(at: 0)
        return id
    }

    /// Writes until it is cancelled. -> points acknowledged.
    private func writes(_ cluster: LocalCluster, from first: Int) -> Task<Int, any Error> {
        Task {
            var count = 0
            while !Task.isCancelled {
                // Those that were begun are seen to their end.
                try await Task { [count] in
                    try await cluster.write(10, from: first + count, at: count / 10 % 2)
                }.value
                count += 10
            }
            return count
        }
    }

    /// Reads all points of a node again and again until it is cancelled. -> those that it did not have at some time.
    private func reads(_ cluster: LocalCluster, at node: Int) -> Task<[Int: String], Never> {
        Task {
            var missing: [Int: String] = [:]
            while !Task.isCancelled {
                let round = Task { await self.readOnce(cluster, at: node) }
                missing.merge(await round.value) { first, _ in first }
            }
            return missing
        }
    }

    /// What is missing one by one, and, under -1, in a search for all.
    private func readOnce(_ cluster: LocalCluster, at node: Int) async -> [Int: String] {
        var missing = await cluster.missing(Self.points, at: node, query: "?consistency=eventual")
        let search = #"{"vector":[1,2,3],"limit":\#(Self.points),"exact":true,"consistency":"eventual"}"#
        let answer = await cluster.ask(.POST, "/vectors/search", search, at: node)
        let found = answer.flatMap { try? JSONDocument(parsing: $0.body) }?.root.field("results")?.count
        if found != Self.points, answer?.status != 503 { missing[-1] = answer?.text ?? "no answer" }
        return missing
    }

    @Test("replicas that are equal are said to be, on any node, shallow and deep")
    func equal() async throws {
        let cluster = try await filled()
        for node in 0..<3 {
            let check = try await check(cluster, at: node)
            #expect(check.root.field("consistent")?.bool == true, "\(node)")
            #expect(check.root.field("shards")?.elements.map { $0 }.count == 16)
        }
        let deep = try await check(cluster, deep: true, at: 1)
        #expect(deep.root.field("consistent")?.bool == true)
        let repair = await cluster.ask(.POST, "/cluster/consistency/repair", at: 2)
        #expect(repair?.text == #"{"repaired":[]}"#)
    }

    @Test("a node that is away is named as missing, and nothing is called equal")
    func missing() async throws {
        let cluster = try await filled()
        try await cluster.nodes[2].killNow()
        let check = try await check(cluster, away: ["node-3"])
        #expect(check.root.field("consistent")?.bool == false)
        let missing = missing(check)
        #expect(missing.count == 16 && missing.values.allSatisfy { $0.contains("node-3") })
        #expect(different(check).isEmpty)
    }

    @Test("a replica whose rows and digest were changed is named by the check and healed by the repair, under writes")
    func alteredWithDigest() async throws {
        let cluster = try await filled()
        let id = try await alter(cluster, 1, shard: 3, withDigest: true)
        let writing = writes(cluster, from: 10_000)
        let check = try await check(cluster)
        #expect(check.root.field("consistent")?.bool == false)
        #expect(different(check) == [3: ["node-2"]])
        // On a busy machine the answer comes before the end, or a replica gave the call no answer in its time.
        let row = #"[{"shard":3,"node":"node-2"}]}"#
        var repair: RestAnswer?
        _ = await poll(for: LocalCluster.patience, every: .milliseconds(300)) {
            repair = await cluster.ask(.POST, "/cluster/consistency/repair", at: 0)
            return repair?.text.contains(row) == true
        }
        #expect(
            [#"{"repaired":"# + row, #"{"repaired":[],"repairing":"# + row].contains(repair?.text),
            "\(repair?.text ?? "no answer")")
        writing.cancel()
        let written = try await writing.value
        #expect(written > 0)
        try await cluster.waitUntilWhole(at: 1)
        #expect(await becomesEqual(cluster, at: 2))
        let healed = await cluster.ask(.GET, "/vectors/\(id)?consistency=eventual", at: 1)
        #expect(healed?.text.contains(#""number":\#(id)"#) == true, "\(healed?.text ?? "no answer")")
        #expect(await cluster.missing(Self.points, at: 1) == [:])
        let kept = try await cluster.kept(ofNode: 1)
        #expect(kept == 0, "\(kept) rows of the family of notes")
    }

    @Test("a replica whose rows were changed without the digest is found by the deep check, and heals")
    func alteredRows() async throws {
        let cluster = try await filled()
        let id = try await alter(cluster, 2, shard: 5, withDigest: false)
        // Where all that takes half a minute the scrub comes first.
        let isHealing = { cluster.nodes[2].logText.contains("a replica is set aside") }
        let shallow = try await check(cluster)
        #expect(shallow.root.field("consistent")?.bool == true || isHealing())
        let writing = writes(cluster, from: 10_000)
        let deep = try await check(cluster, deep: true)
        #expect(different(deep) == [5: ["node-3"]] || isHealing())
        let reading = reads(cluster, at: 2)
        let repair = await cluster.ask(.POST, "/cluster/consistency/repair", at: 0)
        #expect(repair?.status == 200)
        writing.cancel()
        _ = try await writing.value
        #expect(await becomesEqual(cluster, at: 1), "\(repair?.text ?? "no answer")")
        reading.cancel()
        let lacking = await reading.value.filter { $0.key != id }
        #expect(lacking == [:], "nobody is answered from a replica that waits for its rows")
        let healed = await cluster.ask(.GET, "/vectors/\(id)?consistency=eventual", at: 2)
        #expect(healed?.text.contains(#""number":\#(id)"#) == true, "\(healed?.text ?? "no answer")")
        #expect(await cluster.missing(Self.points, at: 2) == [:])
    }

    @Test("while a replica can't be healed, for others are away, one that is sound answers for it")
    func unhealed() async throws {
        let cluster = try await filled()
        let id = try await alter(cluster, 2, shard: 5, withDigest: false)
        // Where this takes half a minute the scrub comes first.
        let isHealing = { cluster.nodes[2].logText.contains("a replica is set aside") }
        let own = await cluster.ask(.GET, "/vectors/\(id)?consistency=eventual", at: 2)
        #expect(own?.text.contains(#""number":-1"#) == true || isHealing(), "\(own?.text ?? "no answer")")
        try await cluster.nodes[1].killNow()
        let isMissed = await poll(for: LocalCluster.patience, every: .milliseconds(100)) {
            guard let members = await cluster.status("/cluster/nodes", at: 0)?.members else { return false }
            return members["node-2"] != "alive"
        }
        #expect(isMissed)
        _ = try await check(cluster, deep: true, away: ["node-2"])
        let isRight = await poll(for: LocalCluster.patience, every: .milliseconds(100)) {
            let answer = await cluster.ask(.GET, "/vectors/\(id)?consistency=eventual", at: 2)
            return answer?.text.contains(#""number":\#(id)"#) == true
        }
        #expect(isRight, "\(cluster.nodes[2].logEnd)")
        let shards = await cluster.ask(.GET, "/cluster/shards", at: 2)
        #expect(shards?.text.contains(#""damaged""#) == true || isHealing(), "\(shards?.text ?? "no answer")")
        #expect(await readOnce(cluster, at: 2) == [:])
    }

    @Test(
        "a table file damaged on one node's disk is healed from the others, which answer meanwhile, or refused with the command that replaces the node",
        arguments: [ColumnFamily.payloads, .state])
    func damagedTable(family: ColumnFamily) async throws {
        let cluster = try await filled()
        let node = cluster.nodes[1]
        try await node.stop()
        let table = try StoreSurgeon(directory: node.data).damageTable(of: family)
        try cluster.start(1)
        do {
            try await cluster.waitUntilHealthy(1)
        } catch {
            #expect(try await node.waitForEnd() == 65)
            #expect(node.logText.contains("/cluster/leave") && node.logText.contains(table))
            return
        }
        // What it can't read, others have.
        let reading = reads(cluster, at: 1)
        try await cluster.write(100, from: 5_000)
        try await cluster.waitUntilWhole(at: 0, seconds: 90)
        #expect(await becomesEqual(cluster, at: 0), "\(node.logEnd)")
        reading.cancel()
        let lacking = await reading.value
        #expect(lacking == [:])
        #expect(await cluster.missing(Self.points, at: 1, query: "?consistency=eventual") == [:])
        #expect(node.logText.contains(table), "\(node.logEnd)")
    }

    @Test("a node whose store is damaged as a whole sets it aside and comes back as a new member, under writes")
    func damagedStore() async throws {
        let cluster = try await filled()
        let node = cluster.nodes[2]
        try await node.stop()
        let current = try String(contentsOf: node.data.appendingPathComponent("CURRENT"), encoding: .utf8)
        let manifest = node.data.appendingPathComponent(current.trimmingCharacters(in: .newlines))
        var bytes = try Data(contentsOf: manifest)
        bytes[bytes.count / 2] ^= 0xff
        try bytes.write(to: manifest)
        let writing = writes(cluster, from: 10_000)
        try cluster.start(2)
        try await cluster.waitUntilHealthy(2, seconds: 90)
        try await cluster.waitUntilWhole(at: 0, seconds: 90)
        writing.cancel()
        #expect(try await writing.value > 0)
        try await cluster.waitUntilMembers(["node-1", "node-2", "node-3"], at: 1)
        let log = node.logText
        #expect(
            log.contains("the store is damaged as a whole") && log.contains(manifest.lastPathComponent),
            "\(node.logEnd)")
        let kept = node.data.appendingPathComponent("damaged/" + manifest.lastPathComponent)
        #expect(FileManager.default.fileExists(atPath: kept.path))
        #expect(await becomesEqual(cluster, at: 0))
        #expect(await cluster.missing(Self.points, at: 2, query: "?consistency=eventual") == [:])

        // A second time it is the operator's turn: the first store is still there.
        try await node.stop()
        let again = try Data(contentsOf: node.data.appendingPathComponent("CURRENT"))
        try Data("MANIFEST-999999\n".utf8).write(to: node.data.appendingPathComponent("CURRENT"))
        try cluster.start(2)
        #expect(try await node.waitForEnd() == 65)
        #expect(node.logText.contains("/cluster/leave") && node.logText.contains("remove it"), "\(node.logEnd)")
        try again.write(to: node.data.appendingPathComponent("CURRENT"))
    }

    @Test("nodes whose stores are all damaged wait for each other, and found nothing new")
    func allDamaged() async throws {
        let cluster = try await filled()
        for node in cluster.nodes {
            try await node.stop()
            try Data("nonsense".utf8).write(to: node.data.appendingPathComponent("CURRENT"))
        }
        for index in 0..<3 { try cluster.start(index) }
        try await Task.sleep(for: .seconds(4))
        for (index, node) in cluster.nodes.enumerated() {
            #expect(await cluster.isHealthy(index) == false)
            #expect(!node.logText.contains("cluster founded"), "\(node.logEnd)")
        }
    }
}

extension LocalCluster {
    /// Stops a node and counts the notes of replicas that were set aside there.
    func kept(ofNode node: Int) async throws -> Int {
        let isGone = await poll(for: .seconds(60), every: .milliseconds(200)) {
            self.nodes[node].logText.contains("what was kept of it is deleted")
        }
        try await nodes[node].stop()
        defer { try? start(node) }
        return try StoreSurgeon(directory: nodes[node].data).quarantines + (isGone ? 0 : 1)
    }
}
