import GrapeModel
import GrapeTestKit
import Testing

/// The message with which a text is refused; nil where it is accepted.
func refusal(_ text: [UInt8]) -> String? {
    do throws(GrapeError) {
        _ = try JSONDocument(parsing: text)
        return nil
    } catch {
        #expect(error.code == .invalidRequest)
        return error.message
    }
}

func refusal(_ text: String) -> String? { refusal(Array(text.utf8)) }

@Suite struct JSONDocumentTests {
    @Test(
        "A malformed text is refused with the place of the fault",
        arguments: [
            ("", "invalid JSON: the text is empty"),
            ("   ", "invalid JSON: the text is empty"),
            ("{\"a\":1", "invalid JSON at line 1, column 7: the text ends too early"),
            ("[1,]", "invalid JSON at line 1, column 4: expected a value"),
            ("[1 2]", "invalid JSON at line 1, column 4: expected , or ]"),
            ("{\"a\":1,}", "invalid JSON at line 1, column 8: expected a key in quotes"),
            ("{a:1}", "invalid JSON at line 1, column 2: expected a key in quotes"),
            ("{\"a\" 1}", "invalid JSON at line 1, column 6: expected :"),
            ("{}}", "invalid JSON at line 1, column 3: more after the end of the value"),
            ("1 2", "invalid JSON at line 1, column 3: more after the end of the value"),
            ("[\n true,\n  nul]", "invalid JSON at line 3, column 3: expected a value"),
            ("NaN", "invalid JSON at line 1, column 1: expected a value"),
            ("[-Infinity]", "invalid JSON at line 1, column 2: a malformed number"),
            ("[01]", "invalid JSON at line 1, column 2: a malformed number"),
            ("[1.]", "invalid JSON at line 1, column 2: a malformed number"),
            ("[.5]", "invalid JSON at line 1, column 2: expected a value"),
            ("[+1]", "invalid JSON at line 1, column 2: expected a value"),
            ("[1e]", "invalid JSON at line 1, column 2: a malformed number"),
            ("[1e400]", "invalid JSON at line 1, column 2: a number beyond a double"),
            ("[-1e400]", "invalid JSON at line 1, column 2: a number beyond a double"),
            ("[18446744073709551616]", "invalid JSON at line 1, column 2: an integer beyond 64 bits"),
            ("[-9223372036854775809]", "invalid JSON at line 1, column 2: an integer beyond 64 bits"),
            ("\"abc", "invalid JSON at line 1, column 5: a string without its closing quote"),
            ("\"a\nb\"", "invalid JSON at line 1, column 3: a control character in a string, which must be escaped"),
            ("\"\\x\"", "invalid JSON at line 1, column 2: an unknown escape"),
            ("\"\\u12g4\"", "invalid JSON at line 1, column 2: expected four hexadecimal digits behind \\u"),
            ("\"\\ud800\"", "invalid JSON at line 1, column 2: half of a surrogate pair"),
            ("\"\\udc00\"", "invalid JSON at line 1, column 2: half of a surrogate pair"),
            ("\"\\ud800\\ud800\"", "invalid JSON at line 1, column 2: half of a surrogate pair"),
            ("\"\\ud800x\"", "invalid JSON at line 1, column 2: half of a surrogate pair"),
            ("\u{feff}{}", "invalid JSON at line 1, column 1: expected a value"),
        ])
    func malformed(text: String, message: String) {
        #expect(refusal(text) == message)
    }

    @Test("Bytes that are no UTF-8 are refused wherever they stand")
    func invalidUTF8() {
        let sequences: [[UInt8]] = [
            [0xff], [0xc0, 0x80], [0xe2, 0x28, 0xa1], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0x80],
            [0xe2, 0x82],
        ]
        for sequence in sequences {
            let text = Array("[\"ab".utf8) + sequence + Array("\"]".utf8)
            #expect(refusal(text) == "invalid JSON at line 1, column 5: not UTF-8")
            #expect(refusal(sequence) == "invalid JSON at line 1, column 1: not UTF-8")
        }
    }

    @Test("Nesting is allowed to a depth of 128 and no deeper, whatever is inside")
    func depth() {
        for inner in ["", "1", "{\"a\":null}"] {
            let extra = inner.hasPrefix("{") ? 1 : 0
            for depth in [1, 127, 128, 129, 10_000, 1_000_000] {
                let text =
                    String(repeating: "[", count: depth - extra) + inner + String(repeating: "]", count: depth - extra)
                #expect((refusal(text) == nil) == (depth <= Limits.jsonDepthMax), "depth \(depth) of \(inner)")
            }
            let open = String(repeating: "[", count: 10_000)
            #expect(refusal(open)?.contains("nested deeper than 128") == true)
        }
    }

    @Test("Every truncation of a valid text is refused")
    func truncations() throws {
        let text = Array(#"{"a":[1,-2.5e3,true,null,"x\u00e9\ud83c\udf47y"],"b":{"c":false}}"#.utf8)
        #expect(refusal(text) == nil)
        for count in 0..<text.count { #expect(refusal(Array(text.prefix(count))) != nil, "\(count) bytes") }
    }

    @Test("Random damage never crashes, and what is accepted can be written and read again")
    func randomDamage() throws {
        var generator = SplitMix64(seed: 7)
        let text = Array(#"{"a":[1,-2.5e3,true,null,"x\u00e9\ud83c\udf47y"],"b":{"c":18446744073709551615}}"#.utf8)
        var accepted = 0
        for _ in 0..<20_000 {
            var damaged = text
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                let at = damaged.indices.randomElement(using: &generator) ?? 0
                damaged[at] =
                    Bool.random(using: &generator)
                    ? UInt8.random(in: 0...255, using: &generator) : text.randomElement(using: &generator) ?? 0
            }
            guard let value = try? JSONValue(parsing: damaged) else { continue }
            accepted += 1
            #expect(try JSONValue(parsing: value.encoded()) == value)
        }
        #expect(accepted > 100)
    }

    @Test("Values are read with their types")
    func kinds() throws {
        let text = #"[null,true,false,-7,9223372036854775808,1.5,3.0,"é\n\"\u0000",[],{}]"#
        let nodes = Array(try JSONDocument(parsing: Array(text.utf8)).root.elements)
        #expect(
            nodes.map(\.kind) == [
                .null, .bool, .bool, .integer, .unsigned, .double, .double, .string, .array, .object,
            ])
        #expect(nodes[0].isNull)
        #expect(nodes[1].bool == true)
        #expect(nodes[2].bool == false)
        #expect(nodes[3].int64 == -7)
        #expect(nodes[3].uint64 == nil)
        #expect(nodes[3].double == -7)
        #expect(nodes[4].int64 == nil)
        #expect(nodes[4].uint64 == 1 << 63)
        #expect(nodes[5].double == 1.5)
        #expect(nodes[6].int64 == nil)
        #expect(nodes[7].string == "é\n\"\0")
        #expect(nodes[7].stringBytes == Array("é\n\"\0".utf8))
        #expect(nodes[7].equals("é\n\"\0"))
        #expect(!nodes[7].equals("e\u{301}\n\"\0"))
        #expect(nodes[8].count == 0)
        #expect(nodes[9].count == 0)
    }

    @Test("Fields come in the order sent, and of equal keys a look-up takes the last")
    func fields() throws {
        let root = try JSONDocument(parsing: Array(#"{"b":1,"a":{"x":[1,2]},"b":2,"":3}"#.utf8)).root
        #expect(root.fields.map { $0.key.string } == ["b", "a", "b", ""])
        #expect(root.field("b")?.int64 == 2)
        #expect(root.field("")?.int64 == 3)
        #expect(root.field("c") == nil)
        #expect(root.field("a")?.field("x")?.elements.map(\.int64) == [1, 2])
        #expect(root.count == 4)
    }

    @Test("A document is parsed again and again, growing, shrinking and failing")
    func reparse() throws {
        var document = JSONDocument()
        #expect(document.root.isNull)
        for count in [0, 1, 10_000, 3, 300_000, 2, 100] {
            let numbers = (0..<count).map { "\"\($0)\"" }.joined(separator: ",")
            try document.reparse(Array("[\(numbers)]".utf8))
            #expect(document.root.count == count)
            #expect(Array(document.root.elements).last?.string == (count == 0 ? nil : "\(count - 1)"))
        }
        #expect(throws: GrapeError.self) { try document.reparse(Array("[".utf8)) }
        #expect(document.root.isNull)
        try document.reparse(Array("[7]".utf8))
        #expect(document.root.elements.map(\.int64) == [7])
    }

    @Test("A node outlives the document that it was read from")
    func nodeKeepsItsText() throws {
        var document = try JSONDocument(parsing: Array(#"["first"]"#.utf8))
        let node = try #require(Array(document.root.elements).first)
        try document.reparse(Array(#"["second"]"#.utf8))
        #expect(node.string == "first")
    }

    @Test("Threads parse at the same time without meeting each other's texts")
    func threads() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                group.addTask {
                    for round in 0..<500 {
                        let text =
                            "{\"task\":\(task),\"rounds\":[\(Array(repeating: "\(round)", count: round + 1).joined(separator: ","))]}"
                        let root = try JSONDocument(parsing: Array(text.utf8)).root
                        #expect(root.field("task")?.int64 == Int64(task))
                        #expect(root.field("rounds")?.count == round + 1)
                    }
                }
            }
            try await group.waitForAll()
        }
    }
}

@Suite struct FloatReadingTests {
    private func floats(_ text: String) throws -> [Float] {
        try JSONDocument(parsing: Array(text.utf8)).root.floats(name: "vector")
    }

    @Test("Integers and fractions become the nearest floats")
    func values() throws {
        #expect(try floats("[]") == [])
        #expect(
            try floats("[1, -2, 0.1, 1e-60, 16777217, 18446744073709551615, 3.4028235e38]")
                == [1, -2, 0.1, 0, 16_777_216, 18_446_744_073_709_551_616, .greatestFiniteMagnitude])
    }

    @Test("A double halfway between two floats becomes the even one")
    func ties() throws {
        #expect(try floats("[16777217.0, 16777219.0, -16777217.0]") == [16_777_216, 16_777_220, -16_777_216])
    }

    @Test(
        "What is no float is refused with its position",
        arguments: [
            ("[1, \"2\", 3]", "vector[1]: expected a number, found a string"),
            ("[1, 2, null]", "vector[2]: expected a number, found null"),
            ("[[1, 2]]", "vector[0]: expected a number, found an array"),
            ("[1, {\"a\":[1,2]}]", "vector[1]: expected a number, found an object"),
            ("[1, true]", "vector[1]: expected a number, found a boolean"),
            ("[0, 1e39]", "vector[1]: 1e+39 is beyond a 32-bit float"),
            ("[-1e39, 0]", "vector[0]: -1e+39 is beyond a 32-bit float"),
            ("{}", "vector: expected an array of numbers, found an object"),
            ("7", "vector: expected an array of numbers, found an integer"),
        ])
    func refused(text: String, message: String) {
        #expect {
            try floats(text)
        } throws: { error in
            (error as? GrapeError)?.message == message && (error as? GrapeError)?.code == .invalidVector
        }
    }
}
