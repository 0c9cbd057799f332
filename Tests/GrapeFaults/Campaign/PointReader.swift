import GrapeModel

/// Reads points at one node until it gets an answer, within bounds.
struct PointReader: Sendable {
    enum Found: Hashable, Sendable, CustomStringConvertible {
        case value(Int?)
        case damaged(String)
        case noAnswer(String)

        var description: String {
            switch self {
            case .value(let value): value.map(String.init) ?? "absent"
            case .damaged(let text): "no version of it: \(text)"
            case .noAnswer(let text): "no answer: \(text)"
            }
        }
    }

    private var client: RestClient
    private static let attemptsMax = 4

    init(cluster: LocalCluster, node: Int) {
        client = cluster.client(node)
    }

    /// A strong read: the node has applied all that was acknowledged, and answers from what it has.
    mutating func read(_ id: String) async -> Found {
        var last = Found.noAnswer("")
        for _ in 0..<Self.attemptsMax {
            let outcome = await client.send(.GET, "/vectors/\(id)")
            switch outcome.answer?.status {
            case 404: return .value(nil)
            case 200:
                guard let root = outcome.document?.root, let value = PointSet.value(of: root) else {
                    return .damaged(outcome.answer?.text ?? "")
                }
                return .value(value)
            default: last = .noAnswer(outcome.answer?.text ?? "\(outcome)")
            }
            try? await Task.sleep(for: .milliseconds(200))
        }
        return last
    }

    mutating func close() async {
        await client.close()
    }
}
