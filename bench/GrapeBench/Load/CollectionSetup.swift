import GrapeModel
import NIOPosix

/// Makes the collection that a load goes to, in the form of Qdrant's API, where it doesn't exist yet.
struct CollectionSetup {
    let name: String
    let dimension: Int
    let metric: DistanceMetric

    func run(at endpoint: Endpoint) async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        var client = PersistentClient(endpoints: [endpoint], number: 0, loop: loop)
        let path = "/collections/\(name)"
        let found = try await client.send(HTTPRequest(.GET, path))
        if !found.isSuccess {
            let made = try await client.send(HTTPRequest(.PUT, path, json: body))
            guard made.isSuccess || made.status == 409 else {
                throw BenchFailure(
                    "\(endpoint): collection \(name) can't be created: status \(made.status): \(made.text.prefix(500))")
            }
        }
        await client.close()
    }

    private var body: [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("vectors")
        writer.beginObject()
        writer.key("size")
        writer.integer(dimension)
        writer.key("distance")
        writer.string(distance)
        writer.endObject()
        writer.endObject()
        return writer.bytes
    }

    private var distance: String {
        switch metric {
        case .cosine: "Cosine"
        case .euclidean: "Euclid"
        case .dotProduct: "Dot"
        case .manhattan: "Manhattan"
        }
    }
}
