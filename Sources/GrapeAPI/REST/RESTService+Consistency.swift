import GrapeCluster
import GrapeModel

// Checks that replicas are equal, and repairs of those that are not.

extension RESTService {
    /// 200 with the result; 202 where a deep check goes on, with the path that has its result later.
    func checkConsistency(_ call: RESTCall) async throws(GrapeError) -> HTTPAnswer {
        let isDeep = try Self.isDeep(call.query)
        let id = try Self.checkID(call.query)
        switch try await call.node.checkConsistency(isDeep: isDeep, id: id) {
        case .ended(let id, let report): return Self.answer(report, id: id, call.node)
        case .running(let id, let points, let since):
            var answer = HTTPAnswer { json in
                json.beginObject()
                json.field("state", "running")
                json.field("check_id", String(id, radix: 16))
                json.field("points_read", points)
                json.field("seconds", Int((ContinuousClock.now - since).components.seconds))
                json.field("status", "/cluster/consistency/check?id=\(String(id, radix: 16))")
                json.endObject()
            }
            answer.status = 202
            return answer
        }
    }

    private static func isDeep(_ query: [(name: String, value: String)]) throws(GrapeError) -> Bool {
        switch query.last(where: { $0.name == "deep" })?.value {
        case nil, "false": return false
        case "true": return true
        case let text?:
            throw GrapeError(
                .invalidRequest, "query parameter deep: expected true or false, found \"\(text.prefix(64))\"")
        }
    }

    private static func checkID(_ query: [(name: String, value: String)]) throws(GrapeError) -> UInt64? {
        guard let text = query.last(where: { $0.name == "id" })?.value else { return nil }
        guard let id = UInt64(text, radix: 16) else {
            throw GrapeError(
                .invalidRequest, "query parameter id: expected a check's id, found \"\(text.prefix(64))\"")
        }
        return id
    }

    private static func answer(_ report: ConsistencyReport, id: UInt64?, _ node: Node) -> HTTPAnswer {
        HTTPAnswer(capacity: 512 * report.shards.count) { json in
            json.beginObject()
            json.field("consistent", report.isConsistent)
            json.field("deep", report.isDeep)
            if let id { json.field("check_id", String(id, radix: 16)) }
            json.key("shards")
            json.beginArray()
            for shard in report.shards { write(shard, node, &json) }
            json.endArray()
            json.endObject()
        }
    }

    private static func write(_ shard: ConsistencyReport.Shard, _ node: Node, _ json: inout JSONWriter) {
        json.beginObject()
        json.field("shard", shard.shard.rawValue)
        json.key("index")
        if let index = shard.index { json.integer(index.rawValue) } else { json.null() }
        json.field("consistent", shard.isConsistent)
        json.key("digests")
        json.beginObject()
        for (place, check) in shard.replicas { json.field(node.name(of: place.node), check.running.text) }
        json.endObject()
        writeDisks(shard, node, &json)
        write(shard.minority.map { (node.name(of: $0.place.node), $0.reason) }, list: "different", &json)
        write(shard.missing.map { (node.name(of: $0.place.node), $0.reason) }, list: "missing", &json)
        if shard.isUndecided {
            let damage = shard.replicas.compactMap { place, check in
                check.defect.map { (node.name(of: place.node), $0) }
            }
            write(damage, list: "damaged", &json)
        }
        json.endObject()
    }

    private static func writeDisks(_ shard: ConsistencyReport.Shard, _ node: Node, _ json: inout JSONWriter) {
        var digests: [(String, String)] = []
        var differences: [(String, UInt32)] = []
        for (place, check) in shard.replicas {
            guard case .read(let digest, let count) = check.disk else { continue }
            digests.append((node.name(of: place.node), digest.text))
            if count > 0 { differences.append((node.name(of: place.node), count)) }
        }
        guard !digests.isEmpty else { return }
        json.key("disk")
        json.beginObject()
        for (name, text) in digests { json.field(name, text) }
        json.endObject()
        guard !differences.isEmpty else { return }
        json.key("index_points_corrected")
        json.beginObject()
        for (name, count) in differences { json.field(name, count) }
        json.endObject()
    }

    private static func write(_ rows: [(name: String, reason: String)], list: String, _ json: inout JSONWriter) {
        guard !rows.isEmpty else { return }
        json.key(list)
        json.beginArray()
        for (name, reason) in rows {
            json.beginObject()
            json.field("node", name)
            json.field("reason", reason)
            json.endObject()
        }
        json.endArray()
    }

    // MARK: Repair

    func repairConsistency(_ node: Node) async throws(GrapeError) -> HTTPAnswer {
        let report = try await node.repairConsistency()
        return HTTPAnswer { json in
            json.beginObject()
            Self.write(report.repaired.map { ($0, nil) }, list: "repaired", node, &json)
            if !report.repairing.isEmpty {
                Self.write(report.repairing.map { ($0, nil) }, list: "repairing", node, &json)
            }
            if !report.unrepaired.isEmpty {
                Self.write(report.unrepaired.map { ($0.replica, $0.reason) }, list: "unrepaired", node, &json)
            }
            if node.isAlone {
                json.field("message", "this node is alone: there is no other replica to repair one from")
            }
            json.endObject()
        }
    }

    private static func write(
        _ rows: [(replica: RepairReport.Replica, reason: String?)], list: String, _ node: Node, _ json: inout JSONWriter
    ) {
        json.key(list)
        json.beginArray()
        for (replica, reason) in rows {
            json.beginObject()
            json.field("shard", replica.shard.rawValue)
            json.field("node", node.name(of: replica.node))
            if let reason { json.field("reason", reason) }
            json.endObject()
        }
        json.endArray()
    }
}
