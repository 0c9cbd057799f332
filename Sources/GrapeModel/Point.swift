/// The vector of a point under one of the collection's names ("" is the unnamed one).
package struct NamedVector: Sendable, Hashable {
    package var name: String
    package var values: [Float]

    package init(name: String = "", values: [Float]) {
        self.name = name
        self.values = values
    }
}

/// A point as a user writes and reads it.
package struct Point: Sendable, Hashable {
    package var id: WrittenID
    package var vectors: [NamedVector]
    package var payload: Payload

    package init(id: WrittenID, vectors: [NamedVector], payload: Payload = .empty) {
        self.id = id
        self.vectors = vectors
        self.payload = payload
    }
}

/// A point's payload: one JSON object, as compact text with numbers as they came (integers stay integers) and the last
/// of equal keys.
package struct Payload: Sendable, Hashable {
    /// UTF-8 text of a JSON object.
    package let json: [UInt8]

    /// The caller vouches for the form: text written by `JSONWriter`, or read from a row.
    package init(uncheckedJSON json: [UInt8]) { self.json = json }

    package static let empty = Payload(uncheckedJSON: Array("{}".utf8))
}
