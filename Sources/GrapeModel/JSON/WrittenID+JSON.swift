extension WrittenID {
    /// An id in a request: an integer 0 … 2⁶⁴−1, or a string of 1 to 512 bytes.
    package init(_ node: JSONDocument.Node) throws(GrapeError) {
        if let number = node.uint64 {
            self.init(number: number)
        } else if let text = node.string {
            try self.init(text: text)
        } else if let number = node.int64 {
            throw GrapeError(.invalidRequest, "an id is an integer from 0, found \(number)")
        } else {
            throw GrapeError(.invalidRequest, "an id is an integer or a string, found \(node.kindName)")
        }
    }
}
