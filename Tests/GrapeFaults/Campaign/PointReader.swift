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
    private let patience: Duration
    private static let attemptsMin = 4

    init(cluster: LocalCluster, node: Int, patience: Duration) {
        client = cluster.client(node)
        self.patience = patience
    }

    /// A strong read: the node has applied all that was acknowledged, and answers from what it has.
    mutating func read(_ id: String) async -> Found {
        var last = Found.noAnswer("")
        let end = ContinuousClock.now + patience
        var attempts = 0
        while attempts < Self.attemptsMin || ContinuousClock.now < end {
            attempts += 1
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
