import GrapeModel

/// A JSON value: `"text"`, `7`, `2.5`, `true`, `nil`, `[1, 2]`, `["key": "value"]`.
public typealias JSONValue = GrapeModel.JSONValue
/// A JSON object, which keeps the order of its keys.
public typealias JSONObject = GrapeModel.JSONObject
/// What a call throws.
public typealias GrapeError = GrapeModel.GrapeError

extension Grape {
    /// A point's id: a text of 1 to 512 bytes or an integer. `7` and `"7"` name one point, and so do all spellings of
    /// one UUID.
    public struct ID: Sendable, Hashable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
        CustomStringConvertible
    {
        private enum Value: Hashable {
            case number(UInt64)
            case text(String)
        }

        private let value: Value

        public init(_ text: String) { value = .text(text) }
        public init(_ number: UInt64) { value = .number(number) }
        public init(stringLiteral text: String) { self.init(text) }
        public init(integerLiteral number: UInt64) { self.init(number) }

        init(_ id: WrittenID) {
            if case .integer(let number) = id.id, id.form == .number {
                self.init(number)
            } else {
                self.init(id.text)
            }
        }

        func written() throws(GrapeError) -> WrittenID {
            switch value {
            case .number(let number): WrittenID(number: number)
            case .text(let text): try WrittenID(text: text)
            }
        }

        public var description: String {
            switch value {
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

    /// A result of a search.
    public struct Match: Sendable, Hashable {
        public let id: ID
        /// Cosine and dot product: higher is better. Euclidean and manhattan: a distance, lower is better.
        public let score: Float
        public let payload: JSONObject
    }

    /// How vectors are compared.
    public enum Metric: Sendable, Hashable {
        case cosine, euclidean, dotProduct, manhattan
    }
}
