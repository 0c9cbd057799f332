import CGzip

/// Makes one gzip member of bytes that come piece by piece.
package struct GzipWriter: ~Copyable {
    private static let room = 256 << 10

    private let stream: OpaquePointer

    package init() {
        guard let stream = grape_gzip_compressor() else { preconditionFailure("no memory for a gzip stream") }
        self.stream = stream
    }

    deinit { grape_gzip_free(stream) }

    /// -> what of the member is ready by now.
    package mutating func compress(_ bytes: [UInt8]) -> [UInt8] { run(bytes, last: false) }

    /// -> the rest of the member. Nothing may come after.
    package mutating func finish() -> [UInt8] { run([], last: true) }

    private func run(_ input: [UInt8], last: Bool) -> [UInt8] {
        var output: [UInt8] = []
        var taken = 0
        while true {
            var state = grape_gzip_going
            let piece = [UInt8](unsafeUninitializedCapacity: Self.room) { target, given in
                state = grape_gzip_step(
                    stream, input, input.count, &taken, target.baseAddress, Self.room, &given, last)
            }
            precondition(state != grape_gzip_damaged, "a gzip stream went on behind its end")
            output += piece
            if state == grape_gzip_ended || (!last && taken == input.count && piece.count < Self.room) { return output }
        }
    }
}

/// Reads one gzip member from bytes that come piece by piece, a bounded piece at a time.
package struct GzipReader: ~Copyable {
    package enum Failure: Error, Sendable {
        /// The bytes are no gzip stream, or its checksum differs.
        case damaged
        /// Something stands behind the member.
        case trailing
    }

    private let stream: OpaquePointer
    private var input: [UInt8] = []
    private var taken = 0
    /// The member's end came, and its checksum was right.
    package private(set) var isAtEnd = false

    package init() {
        guard let stream = grape_gzip_decompressor() else { preconditionFailure("no memory for a gzip stream") }
        self.stream = stream
    }

    deinit { grape_gzip_free(stream) }

    package mutating func feed(_ bytes: [UInt8]) throws(Failure) {
        precondition(taken == input.count, "a gzip stream is fed before it has worked off what it had")
        guard !isAtEnd || bytes.isEmpty else { throw .trailing }
        input = bytes
        taken = 0
    }

    /// -> up to `max` bytes; none where more input is needed, or at the end.
    package mutating func read(max: Int) throws(Failure) -> [UInt8] {
        guard !isAtEnd else { return [] }
        var state = grape_gzip_going
        var position = taken
        let output = [UInt8](unsafeUninitializedCapacity: max) { target, given in
            state = grape_gzip_step(stream, input, input.count, &position, target.baseAddress, max, &given, false)
        }
        taken = position
        guard state != grape_gzip_damaged else { throw .damaged }
        isAtEnd = state == grape_gzip_ended
        guard !isAtEnd || taken == input.count else { throw .trailing }
        return output
    }
}
