import CSimdJSON

/// Turns simdjson's answer, which names no place, into a message for the user. Only for refused texts: reads them again,
/// in linear time.
enum JSONSyntax {
    static func error(_ status: grape_json_status, in text: RawSpan) -> GrapeError {
        let reason = reason(status)
        guard status != GRAPE_JSON_EMPTY, status != GRAPE_JSON_TOO_LONG, status != GRAPE_JSON_OUT_OF_MEMORY else {
            return GrapeError(.invalidRequest, "invalid JSON: \(reason)")
        }
        var finder = JSONFaultFinder(unsafe text.withUnsafeBytes { unsafe Array($0) })
        guard let fault = finder.firstFault() else {
            return GrapeError(.invalidRequest, "invalid JSON: \(reason)")
        }
        return GrapeError(.invalidRequest, "invalid JSON at \(finder.place(of: fault.offset)): \(fault.reason)")
    }

    private static func reason(_ status: grape_json_status) -> String {
        switch status {
        case GRAPE_JSON_EMPTY: "the text is empty"
        case GRAPE_JSON_DEPTH: JSONFaultFinder.tooDeep
        case GRAPE_JSON_UTF8: "not UTF-8"
        case GRAPE_JSON_NUMBER: "a malformed number, an integer beyond 64 bits, or a number beyond a double"
        case GRAPE_JSON_STRING: "a string with a bad escape, a lone surrogate or a control character"
        case GRAPE_JSON_UNCLOSED_STRING: "a string without its closing quote"
        case GRAPE_JSON_TRAILING_CONTENT: "more after the end of the value"
        case GRAPE_JSON_TOO_LONG: "the text is too long"
        case GRAPE_JSON_OUT_OF_MEMORY: "not enough memory for the text"
        default: "malformed"
        }
    }
}
