import Foundation
import GrapeConfiguration
import Testing

@Suite struct FileErrorTests {
    @Test(arguments: [
        (
            "[sever]\nrest_port = 1",
            "test.toml:1: sever: found an unknown table, expected one of the tables server, cluster,"
        ),
        ("[sever]\nrest_port = 1", "(did you mean server?)"),
        (
            "[server]\n\nrest_prot = 1",
            "test.toml:3: server.rest_prot: found an unknown key, expected one of bind_address,"
        ),
        ("[server]\n\nrest_prot = 1", "(did you mean server.rest_port?)"),
        ("rest_port = 1", "test.toml:1: rest_port: found an unknown key,"),
        ("rest_port = 1", "(did you mean server.rest_port?)"),
        ("[server]\nnode_id = \"a\"", "(did you mean cluster.node_id?)"),
        ("[server]\nREST-PORT = 1", "(did you mean server.rest_port?)"),
        (
            "[server]\nrest_port.x = 1",
            "test.toml:2: server.rest_port: found a table, expected an integer from 0 to 65535"
        ),
        ("server = 5", "test.toml:1: server: found 5, expected a table, [server]"),
        ("[[server]]\nrest_port = 1", "test.toml:1: server: found an array, expected a table, [server]"),
        (
            "[server]\nrest_port = \"1\"",
            "test.toml:2: server.rest_port: found \"1\", expected an integer from 0 to 65535"
        ),
        ("[server]\nrest_port = 1.0", "test.toml:2: server.rest_port: found 1.0, expected an integer from 0 to 65535"),
        ("[server]\nrest_port = true", "test.toml:2: server.rest_port: found true, expected an integer"),
        ("[server]\nrest_port = 2026-01-01", "test.toml:2: server.rest_port: found a date, expected an integer"),
        (
            "[server]\nrest_port = 65536",
            "test.toml:2: server.rest_port: found 65536, expected an integer from 0 to 65535"
        ),
        ("[server]\nrest_port = -1", "found -1, expected an integer from 0 to 65535"),
        ("[server]\ndata_dir = \"\"", "test.toml:2: server.data_dir: found \"\", expected a path of 1 to 4096 bytes"),
        (
            "[server]\nlog_level = \"warning\"",
            "found \"warning\", expected one of \"trace\", \"debug\", \"info\", \"warn\""
        ),
        ("[auth]\nenabled = 1", "test.toml:2: auth.enabled: found 1, expected true or false"),
        ("[auth]\nenabled = \"true\"", "test.toml:2: auth.enabled: found \"true\", expected true or false"),
        (
            "[sharding]\nrebalance_threshold = nan",
            "test.toml:2: sharding.rebalance_threshold: found nan, expected a number"
        ),
        ("[sharding]\nrebalance_threshold = 1.5", "found 1.5, expected a number from 0.0 to 1.0"),
        (
            "[cluster]\nseed_nodes = \"a:1\"",
            "test.toml:2: cluster.seed_nodes: found \"a:1\", expected an array of strings"
        ),
        (
            "[cluster]\nseed_nodes = [\"a:1\", 5]",
            "test.toml:2: cluster.seed_nodes: found 5, expected an array of strings"
        ),
        ("[cluster]\ninitial_peers = [\"a:1\"]", "found \"a:1\", expected an array of strings, each \"id@host:port\""),
        (
            "[cluster]\nnode_id = \"a b\"",
            "found \"a b\", expected 1 to 128 letters, digits, dots, dashes or underscores"
        ),
        ("[server]\nrest_port = 1\nrest_port = 2", "test.toml:3: syntax error at column"),
        ("[server]\nrest_port = 1\n[server]", "test.toml:3: syntax error at column"),
        ("[server]\nrest_port =\n", "test.toml:2: syntax error at column"),
        ("[server\n", "test.toml:1: syntax error at column"),
        ("[index]\nm = [ } ]", "test.toml:2: syntax error at column 7: expected a value or ']', saw '}'"),
        ("[index]\nm =\u{3000}1", "test.toml:2: syntax error at column 4: expected printable ASCII"),
        ("[index]\nm = 1979-05-27 7 ", "test.toml:2: syntax error at column"),
        ("[tls]\n  [ =]\n", "test.toml:2: syntax error at column 5: expected the name of a table after '['"),
        ("[[\n", "test.toml:1: syntax error at column 3: expected the name of a table after '['"),
        ("\u{FEFF}[]", "test.toml:1: syntax error at column"),
        ("[server]\nrest_port = 99999999999999999999", "test.toml:2: syntax error at column"),
        ("[sharding]\nrebalance_threshold = 1e999", "test.toml:2: "),
        ("[server]\ndata_dir = \"a\\u0000b\"", "test.toml:2: found a NUL character"),
        ("[server]\n# \0", "test.toml:2: found a NUL character"),
    ])
    func `a mistake is named with its line, what was found and what is allowed`(text: String, expected: String) throws {
        let message = try #require(failure(text))
        #expect(message.contains(expected), "\(message)")
        #expect(!message.contains("\n"))
    }

    @Test func `of several mistakes the first in the file is named`() {
        let text = "[tls]\nenabled = 3\n[auth]\nenbled = true\n[zebra]\n"
        #expect(failure(text)?.hasPrefix("test.toml:4: auth.enbled") == true)
        #expect(failure("[tls]\nenabled = 3\n[auth]\nenabled = 4\n")?.hasPrefix("test.toml:2: tls.enabled") == true)
    }

    @Test(arguments: [
        ("server.rest_port = 70000", 1),
        ("\n server . \"rest_port\" = 70000", 2),
        ("# [server]\n\n'server'.'rest_port' = 70000", 3),
        ("server = { data_dir = \"}#\\\"\", rest_port = 70000 }", 1),
        ("[cluster]\ninitial_peers = [ # ]\n\n]\n[server]\nrest_port = 70000", 6),
        ("[server]\ndata_dir = \"\"\"\n[server]\nrest_port = 1\n\\\"\"\"\"\"\nrest_port = 70000", 6),
        ("[server]\ndata_dir = '''\n'' rest_port = 1'''''\nrest_port = 70000", 4),
        ("[server]\r\n\r\nrest_port = 70000\r\n", 3),
        ("\u{FEFF}[server]\nrest_port = 70000", 2),
        ("[server]\n\"rest\\u005fport\" = 70000", 1),
        ("[ server ] # [tls]\n# rest_port = 5\nlog_level = 'info' # rest_port\nrest_port = 70_000", 4),
    ])
    func `the line is found however the key is written`(text: String, line: Int) {
        #expect(
            failure(text)?.hasPrefix("test.toml:\(line): server.rest_port: found 70000") == true,
            "\(failure(text) ?? "")")
    }

    @Test(arguments: ["", "\n", "# nothing\n", "\u{FEFF}", "[server]\r\nrest_port = 0x10\r\n", "[server]\n[tls]\n"])
    func `an odd but valid file is accepted`(text: String) {
        #expect(failure(text) == nil)
    }

    @Test func `an integer is accepted where a number is expected`() throws {
        #expect(try load("[sharding]\nrebalance_threshold = 1").sharding.rebalanceThreshold == 1)
    }

    @Test func `bytes that are not UTF-8 are named with their line`() {
        let file = ConfigurationFile(name: "test.toml", bytes: Array("[server]\n# ".utf8) + [0xC3, 0x28])
        let error = #expect(throws: ConfigurationError.self) { try Configuration.load(file: file) }
        #expect(error?.description == "test.toml:2: found bytes that are not UTF-8, expected UTF-8 text")
    }

    @Test func `a long or multi-line value does not make the message long`() throws {
        let message = try #require(
            failure("[server]\nlog_level = \"\"\"\na\u{202E}\(String(repeating: "x", count: 5_000))\"\"\""))
        #expect(message.count < 300 && !message.contains("\n") && !message.contains("\u{202E}"))
    }

    @Test(arguments: ["[auth]\napi_keys = [\"hunter 2\"]", "[cluster]\ncluster_token = \"hunter 2\""])
    func `secrets are not repeated`(text: String) throws {
        let message = try #require(failure(text))
        #expect(!message.contains("hunter"), "\(message)")
    }

    private static let pieces = [
        "[", "]", "[[", "]]", "{", "}", "=", ".", ",", "#", "\"", "'", "\"\"\"", "\'\'\'", "\\", "\n", "\r\n", "\r",
        " ", "\t",
        "server", "rest_port", "a", "0", "-", "+", "_", "0x", "0b2", "1_0", "1e", "inf", "nan", "true", "12:00",
        "1979-05-27",
        "T00:00:00Z", "\\u12", "\\UFFFFFFFF", "é", "\u{0}", "\u{7F}", "\u{FEFF}", "\u{2028}", "[server]\n", "x = ",
    ]

    @Test func `mutilated files never do more than fail on one line`() throws {
        let whole = try ConfigurationFile.read(packageRoot.appending(path: "configs/node1.toml").path).bytes
        var random = SplitMix(state: 42)
        for _ in 0..<5_000 {
            // Half of the files are a good one with a few wrong pieces, half are nothing but pieces.
            var bytes =
                Bool.random(using: &random) ? Array(whole.prefix(.random(in: 0...whole.count, using: &random))) : []
            for _ in 0..<Int.random(in: 0...12, using: &random) {
                let position = Int.random(in: 0...bytes.count, using: &random)
                bytes.insert(contentsOf: (Self.pieces.randomElement(using: &random) ?? "").utf8, at: position)
            }
            do {
                _ = try Configuration.load(file: ConfigurationFile(name: "f", bytes: bytes))
            } catch {
                #expect(error.description.hasPrefix("f") && !error.description.contains("\n"))
            }
        }
    }
}

@Suite struct FileReadingTests {
    @Test func `a missing file, a directory and an unreadable path are named`() {
        let root = packageRoot.path
        #expect(message(of: "/nonexistent/grape.toml") == "/nonexistent/grape.toml: cannot be read: no such file")
        #expect(message(of: root) == "\(root): found a directory, expected a file")
        #expect(message(of: "\(root)/Package.swift/x")?.hasPrefix("\(root)/Package.swift/x: cannot be read") == true)
        #expect(message(of: "")?.contains("expected the path of a file") == true)
        #expect(message(of: "/dev/zero")?.contains("found more than 1048576 bytes") == true)
    }

    @Test func `a file without permission is named, except to root who may read all`() throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "grape-\(UUID().uuidString).toml").path
        #expect(FileManager.default.createFile(atPath: path, contents: Data(), attributes: [.posixPermissions: 0]))
        defer { try? FileManager.default.removeItem(atPath: path) }
        if let message = message(of: path) { #expect(message == "\(path): cannot be read: permission denied") }
    }

    @Test func `an empty device reads as an empty file`() throws {
        #expect(try ConfigurationFile.read("/dev/null").bytes.isEmpty)
    }

    private func message(of path: String) -> String? {
        do {
            _ = try ConfigurationFile.read(path)
            return nil
        } catch {
            return error.description
        }
    }
}

/// Repeatable randomness.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
