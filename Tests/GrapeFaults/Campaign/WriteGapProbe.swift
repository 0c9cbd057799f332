import GrapeModel

/// How long writes stand still when a node dies, measured shard by shard: the time from the kill to the first
/// acknowledged write that was sent after it, of the shard that waited longest.
struct WriteGapProbe: Sendable {
    private let cluster: LocalCluster
    /// A point of each shard that has been found.
    private var points: [Int: String] = [:]

    private static let searchMax = 2_000
    /// Seconds until a shard counts as never writable again.
    private static let patience = 30.0

    init(cluster: LocalCluster) {
        self.cluster = cluster
    }

    /// Finds a point of every shard by writing points until each shard has answered.
    mutating func prepare(at node: Int, shards: Int) async throws {
        var client = cluster.client(node)
        for number in 0..<Self.searchMax where points.count < shards {
            let id = "probe-\(number)"
            // Just before, the one that leads may have changed.
            var answer: RestAnswer?
            _ = await poll(for: .seconds(Self.patience), every: .milliseconds(100)) {
                answer = await client.send(.POST, "/vectors", json: Self.point(id)).answer
                return answer?.status == 200
            }
            guard let answer, answer.status == 200, let document = try? JSONDocument(parsing: answer.body),
                let shard = document.root.field("shard")?.int64
            else { throw ClusterNode.Failure("a healthy node refuses a write: \(answer?.text ?? "")") }
            if points[Int(shard)] == nil { points[Int(shard)] = id }
        }
        await client.close()
    }

    /// Writes to every shard through the survivors from now on, until each has acknowledged one.
    ///
    /// - Returns: nanoseconds since `begin`, of the slowest shard; nil where one never did.
    func measure(since begin: Int, clock: RunClock, survivors: [Int]) async -> Int? {
        guard !survivors.isEmpty else { return nil }
        return await withTaskGroup(of: Int?.self) { group in
            for (position, shard) in points.sorted(by: { $0.key < $1.key }).enumerated() {
                let node = survivors[position % survivors.count]
                group.addTask { await self.firstWrite(of: shard.value, at: node, clock: clock) }
            }
            var last = begin
            for await time in group {
                guard let time else {
                    group.cancelAll()
                    return nil
                }
                last = max(last, time)
            }
            return last - begin
        }
    }

    private func firstWrite(of id: String, at node: Int, clock: RunClock) async -> Int? {
        var client = cluster.client(node)
        var time: Int?
        _ = await poll(for: .seconds(Self.patience), every: .milliseconds(10)) {
            let answer = await client.send(.POST, "/vectors", json: Self.point(id)).answer
            if answer?.status == 200 { time = clock.now }
            return time != nil
        }
        await client.close()
        return time
    }

    private static func point(_ id: String) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.field("id", id)
        writer.key("vector")
        writer.floats(PointSet.vector(of: 1))
        writer.endObject()
        return writer.bytes
    }
}
