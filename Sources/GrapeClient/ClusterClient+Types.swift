import GrapeModel

/// A JSON value: `"text"`, `7`, `2.5`, `true`, `nil`, `[1, 2]`, `["key": "value"]`.
public typealias JSONValue = GrapeModel.JSONValue
/// A JSON object, which keeps the order of its keys.
public typealias JSONObject = GrapeModel.JSONObject
/// What a call throws.
public typealias GrapeError = GrapeModel.GrapeError

extension ClusterClient {
    /// A point's id: a text of 1 to 512 bytes or an integer. `7` and `"7"` name one point, and so do all spellings of
    /// one UUID.
    public enum ID: Sendable, Hashable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
        CustomStringConvertible
    {
        case number(UInt64)
        case text(String)

        public init(stringLiteral text: String) { self = .text(text) }
        public init(integerLiteral number: UInt64) { self = .number(number) }

        public var description: String {
            switch self {
            case .number(let number): String(number)
            case .text(let text): text
            }
        }
    }

    /// A vector with its id and payload.
    public struct Point: Sendable, Hashable {
        public var id: ID
        /// As written: normalising is the index's affair.
        public var vector: [Float]
        public var payload: JSONObject

        public init(id: ID, vector: [Float], payload: JSONObject = [:]) {
            self.id = id
            self.vector = vector
            self.payload = payload
        }
    }

    /// A search: the vector, and what its results must be.
    public struct Search: Sendable, Hashable {
        /// As many finite numbers as the collection has dimensions.
        public var vector: [Float]
        /// Results at most, 1 to 10,000.
        public var limit: Int
        /// Results that are left out at the beginning.
        public var offset = 0
        /// Conditions on payloads, in the form of the REST API:
        /// `["must": [["key": "lang", "match": ["value": "en"]]]]`.
        public var filter: JSONValue?
        /// Results worse than this are left out.
        public var scoreThreshold: Float?
        /// Whether results carry payloads.
        public var withPayload = true
        /// Whether results carry vectors.
        public var withVector = false
        /// Candidates that the walk keeps: more finds more of the true neighbours and takes longer.
        public var ef: Int?
        /// Compares with every point instead of walking the graph.
        public var exact = false
        public var consistency = Consistency.strong

        public init(_ vector: [Float], limit: Int = 10, filter: JSONValue? = nil) {
            self.vector = vector
            self.limit = limit
            self.filter = filter
        }
    }

    /// A result of a search.
    public struct Match: Sendable, Hashable {
        public let id: ID
        /// Cosine and dot product: higher is better. Euclidean and manhattan: a distance, lower is better.
        public let score: Float
        /// Empty where it wasn't asked for.
        public let payload: JSONObject
        /// Empty where it wasn't asked for.
        public let vector: [Float]
    }

    /// What a read may miss.
    public enum Consistency: String, Sendable, Hashable {
        /// Nothing that was acknowledged before the read began.
        case strong
        /// What has not reached the node that answers; it answers at once, also without a majority.
        case eventual
    }

    /// How vectors are compared; the raw value is the name in Qdrant's API.
    public enum Metric: String, Sendable, Hashable {
        case cosine = "Cosine"
        case euclidean = "Euclid"
        case dotProduct = "Dot"
        case manhattan = "Manhattan"
    }
}
