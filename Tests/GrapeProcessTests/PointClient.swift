import GrapeBench
import GrapeModel
import GrapeTestKit

/// Writes points of its own, at random, until the server dies or time is up, and keeps the ledger of them.
struct PointClient: Sendable {
    /// The client's points have ids from `number * 1_000_000` on.
    let number: Int
    private(set) var ledger = Ledger()
    private var random: Xoshiro256
    private(set) var acknowledgedWrites = 0

    private static let points = 400

    init(number: Int, seed: UInt64) {
        self.number = number
        random = Xoshiro256(seed: seed, stream: UInt64(number))
    }

    /// Returns when the connection breaks, as it does when the server is killed, or at the deadline.
    mutating func load(_ endpoint: Endpoint, until deadline: ContinuousClock.Instant) async throws {
        guard let connection = try? await connect(endpoint) else { return }
        while ContinuousClock.now < deadline {
            guard try await step(connection) else { break }
        }
        await connection.close()
    }

    /// False when the connection is gone.
    private mutating func step(_ connection: HTTPConnection) async throws -> Bool {
        switch random.below(10) {
        case 0: return try await delete(randomID(), over: connection)
        case 1, 2: return try await upsert([randomID()], over: connection)
        default:
            let ids = Set((0..<random.within(1...60)).map { _ in randomID() }).sorted()
            return try await upsert(ids, over: connection)
        }
    }

    private mutating func randomID() -> Int { number * 1_000_000 + random.below(Self.points) }

    private mutating func upsert(_ ids: [Int], over connection: HTTPConnection) async throws -> Bool {
        let version = ledger.newVersion()
        let records = ids.map { Record(id: $0, version: version) }
        let request: HTTPRequest
        if records.count == 1 {
            var writer = JSONWriter()
            records[0].write(to: &writer)
            request = HTTPRequest(.POST, "/vectors", json: writer.bytes)
        } else {
            request = HTTPRequest(.POST, "/vectors/batch", json: Record.batch(records))
        }
        return try await exchange(request, ids: ids, version: version, over: connection)
    }

    private mutating func delete(_ id: Int, over connection: HTTPConnection) async throws -> Bool {
        try await exchange(HTTPRequest(.DELETE, "/vectors/\(id)"), ids: [id], version: nil, over: connection)
    }

    private mutating func exchange(
        _ request: HTTPRequest, ids: [Int], version: Int?, over connection: HTTPConnection
    ) async throws -> Bool {
        ledger.send(ids, version: version)
        guard let answer = try? await connection.exchange(request) else { return false }
        switch answer.status {
        case 200:
            ledger.acknowledge(ids, version: version)
            acknowledgedWrites += 1
        case 404 where request.method == .DELETE, 429, 503: ledger.refuse(ids)
        default: throw Record.Mismatch("\(request.method) \(request.path): \(answer.status) \(answer.text)")
        }
        return true
    }
}

// MARK: - Checking

extension PointClient {
    /// Reads every point of the ledger and settles it.
    mutating func settle(over connection: HTTPConnection) async throws {
        for id in ledger.ids {
            let answer = try await connection.exchange(HTTPRequest(.GET, "/vectors/\(id)"))
            let record = try Record(answer: answer, id: id)
            try ledger.settle(id, found: record?.version)
        }
    }

    /// Searches for points that are there by their own vectors: each must come first, and no result may be a version
    /// that was replaced or deleted. To be called when all is settled.
    ///
    /// Every other search goes through the graph, which may miss a point now and then.
    mutating func search(count: Int, over connection: HTTPConnection) async throws {
        let present = ledger.settled.present
        guard !present.isEmpty else { return }
        let current = Set(present)
        var missed = 0
        for number in 0..<count {
            let record = present[random.below(present.count)]
            let exact = number.isMultiple(of: 2)
            let found = try await nearest(to: record.vector, exact: exact, over: connection)
            if let stale = found.first(where: { isOwn($0.id) && !current.contains($0) }) {
                throw Record.Mismatch("a search finds version \(stale.version) of point \(stale.id), which is gone")
            }
            guard found.first != record else { continue }
            guard !exact else { throw Record.Mismatch("exact search for point \(record.id) finds \(found)") }
            missed += 1
        }
        guard missed * 4 <= count else {
            throw Record.Mismatch("\(missed) of \(count / 2) searches miss the point at their very place")
        }
    }

    private func isOwn(_ id: Int) -> Bool { id / 1_000_000 == number }

    private func nearest(to vector: [Float], exact: Bool, over connection: HTTPConnection) async throws -> [Record] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("vector")
        writer.floats(vector)
        writer.field("limit", 5)
        writer.field("exact", exact)
        writer.endObject()
        let answer = try await connection.exchange(HTTPRequest(.POST, "/vectors/search", json: writer.bytes))
        guard answer.status == 200 else { throw Record.Mismatch("search: \(answer.status) \(answer.text)") }
        let document = try JSONDocument(parsing: answer.bytes)
        return document.root.field("results")?.elements.map {
            Record(
                id: Int($0.field("id")?.int64 ?? -1), version: Int($0.field("payload")?.field("version")?.int64 ?? -1))
        } ?? []
    }
}
