import Foundation

/// A data-driven file: commands, each with the output it must give.
///
///     command argument key=value key=(value,value)
///     input lines
///     ----
///     output lines, up to an empty one
///
/// Lines that begin with `#` between two commands are comments. Output that has empty lines itself stands between two
/// pairs of separators.
struct TranscriptFile {
    struct Argument {
        var key: String
        var values: [String]
    }

    struct Step {
        var command: String
        var arguments: [Argument]
        var input: [String]
        var output: [String]
        /// The number of the command's line, from 1.
        var line: Int
    }

    var steps: [Step] = []

    init(_ text: String) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        var position = 0
        while position < lines.count {
            let line = lines[position].trimmingCharacters(in: .whitespaces)
            if line.isEmpty || line.hasPrefix("#") {
                position += 1
                continue
            }
            steps.append(Self.readStep(lines, &position))
        }
    }

    private static func readStep(_ lines: [String], _ position: inout Int) -> Step {
        let start = position
        var head = lines[position]
        while head.hasSuffix("\\") && position + 1 < lines.count {
            position += 1
            head = head.dropLast() + " " + lines[position]
        }
        position += 1
        var input: [String] = []
        while position < lines.count && lines[position] != "----" {
            input.append(lines[position])
            position += 1
        }
        position += 1
        let output = readOutput(lines, &position)
        var arguments = parseArguments(head)
        let command = arguments.isEmpty ? "" : arguments.removeFirst().key
        return Step(command: command, arguments: arguments, input: input, output: output, line: start + 1)
    }

    private static func readOutput(_ lines: [String], _ position: inout Int) -> [String] {
        var output: [String] = []
        let isFenced = position < lines.count && lines[position] == "----"
        if isFenced { position += 1 }
        while position < lines.count {
            let line = lines[position]
            position += 1
            if isFenced {
                if line == "----" && position < lines.count && lines[position] == "----" {
                    position += 1
                    break
                }
            } else if line.isEmpty {
                break
            }
            output.append(line)
        }
        return output
    }

    /// Words, each a key, `key=value` or `key=(value, value)`.
    static func parseArguments(_ line: String) -> [Argument] {
        var arguments: [Argument] = []
        var rest = Substring(line)
        while true {
            rest = rest.drop { $0 == " " || $0 == "\t" }
            if rest.isEmpty { return arguments }
            let end = rest.firstIndex { $0 == " " || $0 == "=" } ?? rest.endIndex
            var argument = Argument(key: String(rest[..<end]), values: [])
            rest = rest[end...]
            if rest.first == "=" {
                rest = rest.dropFirst()
                let isList = rest.first == "("
                let valueEnd = rest.firstIndex { $0 == (isList ? ")" : " ") } ?? rest.endIndex
                let text = isList ? rest[..<valueEnd].dropFirst() : rest[..<valueEnd]
                argument.values = text.split { isList && ($0 == "," || $0 == " ") }.map(String.init)
                rest = isList ? rest[valueEnd...].dropFirst() : rest[valueEnd...]
            }
            arguments.append(argument)
        }
    }
}

extension TranscriptFile.Step {
    func values(_ key: String) -> [String] { arguments.first { $0.key == key }?.values ?? [] }

    func has(_ key: String) -> Bool { arguments.contains { $0.key == key } }
}
