import Foundation
import Testing

/// REST and gRPC with `[tls]` on, asked by clients that people have.
@Suite(.timeLimit(.minutes(3)))
struct TLSTests {
    @Test("with tls.enabled both ports speak TLS, and nothing is answered in clear")
    func clientPorts() async throws {
        let site = try Site()
        let certificate = try makeCertificate(site)
        let server = try site.start(extra: [
            "--tls.enabled", "true", "--tls.cert-file", certificate.file, "--tls.key-file", certificate.key,
        ])
        let rest = try await port("rest", server)
        let curl = ["curl", "-sS", "--max-time", "60", "--cacert", certificate.file]
        try await until("/health is 200", server) {
            try run(curl + ["-w", "%{http_code}", "https://127.0.0.1:\(rest)/health"]).output.hasSuffix("200")
        }
        let point = try run(
            curl + ["https://127.0.0.1:\(rest)/vectors", "-d", #"{"id":"a","vector":[1,2]}"#])
        #expect(point.status == 0 && point.output.contains(#""status":"ok""#), "\(point.output)")
        let found = try run(
            curl + ["--http1.1", "https://127.0.0.1:\(rest)/vectors/search", "-d", #"{"vector":[1,2]}"#])
        #expect(found.output.contains(#""id":"a""#), "\(found.output)")

        let clear = try run(["curl", "-sS", "--max-time", "60", "http://127.0.0.1:\(rest)/vectors/a"])
        #expect(clear.status != 0 && !clear.output.contains("vector\":"), "\(clear.output)")
        let stranger = try run(["curl", "-sS", "--max-time", "60", "https://127.0.0.1:\(rest)/health"])
        #expect(stranger.status == 60, "an unknown authority is the client's to refuse: \(stranger.output)")

        let grpc = try await port("grpc", server)
        let hello = try run([
            "openssl", "s_client", "-connect", "127.0.0.1:\(grpc)", "-alpn", "h2", "-CAfile", certificate.file,
            "-verify_return_error",
        ])
        #expect(hello.output.contains("ALPN protocol: h2"), "\(hello.output.prefix(2_000))")
        server.send(SIGTERM)
        #expect(try await server.waitForEnd() == 0)
    }

    @Test("a certificate file that is none stops the start and is named")
    func damagedCertificate() async throws {
        let site = try Site()
        let certificate = try makeCertificate(site)
        let file = try site.write("no certificate", to: "other.pem")
        let server = try site.start(extra: [
            "--tls.enabled", "true", "--tls.cert-file", file, "--tls.key-file", certificate.key,
        ])
        #expect(try await server.waitForEnd() != 0)
        #expect(server.logText.contains("other.pem"), "\(server.logEnd)")
    }

    /// For 127.0.0.1, signed by itself.
    private func makeCertificate(_ site: Site) throws -> (file: String, key: String) {
        let (file, key) = (
            site.root.appendingPathComponent("tls.pem").path, site.root.appendingPathComponent("tls.key").path
        )
        let made = try run([
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
            "2",
            "-subj", "/CN=grape", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", file,
        ])
        try #require(made.status == 0, "\(made.output)")
        return (file, key)
    }

    /// The port, from the log of this run.
    private func port(_ name: String, _ server: ServerProcess) async throws -> Int {
        let pattern = try Regex("\"\(name)\":\"(?:https://)?127\\.0\\.0\\.1:(\\d+)\"", as: (Substring, Substring).self)
        try await until("the log names the port of \(name)", server) { server.logText.contains(pattern) }
        return Int(try #require(server.logText.matches(of: pattern).last).output.1) ?? 0
    }

    private func until(_ what: String, _ server: ServerProcess, _ holds: () throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(ServerProcess.patience)
        while try !holds() {
            try #require(ContinuousClock.now < deadline && server.isRunning, "\(what): never\n\(server.logEnd)")
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    private func run(_ command: [String]) throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        let output = Pipe()
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }
}
