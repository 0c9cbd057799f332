/// A point's id together with the form in which it was last written, so that it comes back as the user wrote it.
package struct WrittenID: Sendable, Hashable {
    package enum Form: Sendable, Hashable {
        /// A JSON integer: `7`.
        case number
        /// The canonical text: `"7"`, `"a8098c1a-f86e-11da-bd1a-00112444be1e"`, `"doc-1"`.
        case text
        /// Another spelling of a UUID.
        case spelling(String)
    }

    package let id: PointID
    package let form: Form

    package init(id: PointID, form: Form) {
        self.id = id
        self.form = form
    }

    package init(number: UInt64) {
        self.init(id: .integer(number), form: .number)
    }

    /// Throws where the text is empty or too long.
    package init(text: String) throws(GrapeError) {
        let bytes = Array(text.utf8)
        guard (1...Limits.idBytesMax).contains(bytes.count) else {
            throw GrapeError(
                .invalidRequest, "an id has 1 to \(Limits.idBytesMax) bytes, this one has \(bytes.count)")
        }
        let id = PointID(canonical: bytes)
        if case .uuid = id, id.text != text {
            self.init(id: id, form: .spelling(text))
        } else {
            self.init(id: id, form: .text)
        }
    }

    /// The text as it was written; of a number its digits.
    package var text: String {
        if case .spelling(let text) = form { text } else { id.text }
    }
}
