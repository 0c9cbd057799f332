import GrapeModel
import GrapeTestKit
import Testing

@Suite struct JSONWriterTests {
    private func text(_ write: (inout JSONWriter) -> Void) -> String {
        var writer = JSONWriter()
        write(&writer)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    @Test("Commas stand between values and nowhere else")
    func commas() {
        let text = text { writer in
            writer.beginObject()
            writer.field("id", "a")
            writer.key("list")
            writer.beginArray()
            writer.beginArray()
            writer.endArray()
            writer.integer(1)
            writer.raw(Array("{}".utf8))
            writer.null()
            writer.beginObject()
            writer.endObject()
            writer.endArray()
            writer.field("ok", true)
            writer.field("score", Float(0.5))
            writer.key("vector")
            writer.floats([1, 2.5])
            writer.key("empty")
            writer.floats([])
            writer.endObject()
        }
        #expect(
            text
                == #"{"id":"a","list":[[],1,{},null,{}],"ok":true,"score":0.5,"vector":[1.0,2.5],"empty":[]}"#)
    }

    @Test("Floats are the shortest text that reads back, whole ones with .0")
    func floatTexts() {
        let cases: [(Float, String)] = [
            (0.1, "0.1"), (1, "1.0"), (-0.0, "-0.0"), (16_777_216, "16777216.0"), (1e20, "1e+20"), (1e-7, "1e-07"),
            (3.402_823_5e38, "3.4028235e+38"), (.leastNonzeroMagnitude, "1e-45"), (.nan, "null"), (.infinity, "null"),
            (-.infinity, "null"),
        ]
        for (value, expected) in cases { #expect(text { $0.float(value) } == expected) }
        #expect(text { $0.double(0.1) } == "0.1")
        #expect(text { $0.double(1e300) } == "1e+300")
        #expect(text { $0.double(-1.797_693_134_862_315_7e308) } == "-1.7976931348623157e+308")
        #expect(text { $0.double(1_234_567_890_123_456) } == "1234567890123456.0")
        #expect(text { $0.double(.leastNonzeroMagnitude) } == "5e-324")
    }

    @Test("Random floats come back bit for bit through their text")
    func floatRoundTrips() throws {
        var generator = SplitMix64(seed: 3)
        for _ in 0..<200 {
            let values = (0..<768).map { _ -> Float in
                let value = Float(bitPattern: .random(in: 0...UInt32.max, using: &generator))
                return value.isFinite ? value : 1
            }
            var writer = JSONWriter()
            writer.floats(values)
            let back = try JSONDocument(parsing: writer.bytes).root.floats(name: "vector")
            #expect(back.map(\.bitPattern) == values.map(\.bitPattern))
        }
    }

    @Test("The float whose text is a double halfway between two others comes back")
    func doubleRounding() throws {
        for value in [Float(bitPattern: 0x15ae_43fd), -Float(bitPattern: 0x15ae_43fd)] {
            var writer = JSONWriter()
            writer.floats([value])
            #expect(try JSONDocument(parsing: writer.bytes).root.floats(name: "vector") == [value])
        }
    }

    @Test("Random doubles come back bit for bit through their text")
    func doubleRoundTrips() throws {
        var generator = SplitMix64(seed: 4)
        for _ in 0..<20_000 {
            let value = Double(bitPattern: .random(in: 0...UInt64.max, using: &generator))
            guard value.isFinite else { continue }
            var writer = JSONWriter()
            writer.double(value)
            #expect(writer.bytes.count <= 40)
            #expect(try JSONDocument(parsing: writer.bytes).root.double?.bitPattern == value.bitPattern)
        }
    }

    @Test("Integers of every width")
    func integers() {
        #expect(text { $0.integer(Int64.min) } == "-9223372036854775808")
        #expect(text { $0.integer(UInt64.max) } == "18446744073709551615")
        #expect(text { $0.integer(0) } == "0")
        #expect(text { $0.integer(Int8.min) } == "-128")
    }

    @Test("Only what must be escaped is")
    func escapes() {
        #expect(text { $0.string("") } == "\"\"")
        #expect(text { $0.string("a\"b\\c/é🍇") } == "\"a\\\"b\\\\c/é🍇\"")
        #expect(text { $0.string("\u{8}\t\n\u{c}\r\0\u{1f}\u{7f}") } == "\"\\b\\t\\n\\f\\r\\u0000\\u001f\u{7f}\"")
        #expect(text { $0.string(utf8: Array("x\"".utf8)) } == "\"x\\\"\"")
    }

    @Test("Ids are written in the form in which they came")
    func ids() throws {
        let uuid = "A8098C1A-F86E-11DA-BD1A-00112444BE1E"
        for text in ["7", "\"7\"", "\"007\"", "\"doc\"", "18446744073709551615", "\"\(uuid)\"", "\"{\(uuid)}\""] {
            let id = try WrittenID(JSONDocument(parsing: Array(text.utf8)).root)
            #expect(self.text { $0.id(id) } == text)
        }
    }
}
