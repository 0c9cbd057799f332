import GrapeConfiguration
import GrapeModel
import Testing

@Suite struct RuleTests {
    @Test(arguments: [
        (
            "[raft]\nelection_timeout_ms = 999",
            "test.toml:2: raft.election_timeout_ms: found 999, expected at least 1000 (4 x raft.heartbeat_interval_ms)"
        ),
        (
            "[raft]\n\nheartbeat_interval_ms = 300",
            "test.toml:3: raft.heartbeat_interval_ms: found 300, expected at most 250"
        ),
        (
            "[raft]\nheartbeat_interval_ms = 49",
            "test.toml:2: raft.heartbeat_interval_ms: found 49, expected an integer from 50"
        ),
        (
            "[server]\nrest_port = 6334",
            "test.toml:2: server.rest_port: found 6334, expected another port than server.grpc_port"
        ),
        ("[server]\nrest_port = 9090", "expected another port than monitoring.prometheus_port"),
        ("[server]\nrest_port = 7000\n[cluster]\nenabled = true", "expected another port than cluster.raft_port"),
        (
            "[storage]\nsync_writes = false\n[cluster]\nenabled = true",
            "test.toml:2: storage.sync_writes: found false, expected true in a cluster"
        ),
        ("[cluster]\njoin_cluster = true", "test.toml:2: cluster.join_cluster: found true without cluster.seed_nodes"),
        (
            "[cluster]\nenabled = false\nseed_nodes = [\"a:1\"]",
            "test.toml:2: cluster.enabled: found false, expected true (or unset), as cluster.seed_nodes"
        ),
        (
            "[cluster]\ninitial_peers = [\"a@h:1\", \"b@h:2\"]",
            "test.toml:2: cluster.initial_peers: found a, b, expected this node, \"node-1\""
        ),
        (
            "[cluster]\ninitial_peers = [\"node-1@h:1\", \"b@h:1\"]",
            "found \"b@h:1\" beside another member of that id or address"
        ),
        (
            "[cluster]\nenabled = true\nfailure_timeout_secs = 1",
            "cluster.failure_timeout_secs: found 1, expected more than"
        ),
        (
            "[vector]\ndimension = 9\n[limits]\nmax_dimension = 8",
            "vector.dimension: found 9, expected at most limits.max_dimension, 8"
        ),
        ("[auth]\nenabled = true", "test.toml:2: auth.enabled: found true without any key"),
        (
            "[auth]\napi_keys = [\"k\"]\nreadonly_keys = [\"k\"]",
            "test.toml:3: auth.readonly_keys: found a key that auth.api_keys holds too"
        ),
        ("[tls]\nenabled = true\ncert_file = \"c\"", "test.toml:2: tls.enabled: found true without tls.key_file"),
    ])
    func `a broken rule names the key to mend`(text: String, expected: String) throws {
        let message = try #require(failure(text))
        #expect(message.contains(expected), "\(message)")
    }

    @Test func `the side that was set last is blamed`() throws {
        let file = "[raft]\nelection_timeout_ms = 1000\nheartbeat_interval_ms = 250"
        let message = try #require(failure(file, environment: ["GRAPE_RAFT_HEARTBEAT_INTERVAL_MS": "400"]))
        #expect(message.hasPrefix("GRAPE_RAFT_HEARTBEAT_INTERVAL_MS: raft.heartbeat_interval_ms: found 400"))
        let flag = try #require(failure("[server]\ngrpc_port = 5", flags: ["--rest-port=5"]))
        #expect(flag.hasPrefix("--rest-port: server.rest_port: found 5, expected another port than server.grpc_port"))
    }

    @Test func `ports that are not opened don't clash, and port 0 never does`() {
        #expect(failure("[server]\nrest_port = 7000") == nil)
        #expect(failure("[server]\nrest_port = 9090\n[monitoring]\nprometheus_enabled = false") == nil)
        #expect(failure("[server]\nrest_port = 0\ngrpc_port = 0\n[monitoring]\nprometheus_port = 0") == nil)
    }

    @Test(arguments: [
        "enabled = true", "join_cluster = true\nseed_nodes = [\"h:1\"]", "seed_nodes = [\"a@h:1\"]",
        "initial_peers = [\"node-1@h:7000\"]",
    ])
    func `a cluster is implied and listens everywhere`(keys: String) throws {
        let configuration = try load("[cluster]\n\(keys)")
        #expect(configuration.isClustered && configuration.bindAddress == "0.0.0.0")
        #expect(configuration.nodeAddress.port == 6334 && configuration.raftAddress.port == 7000)
        #expect(configuration.unsupported.isEmpty)
    }

    @Test func `addresses come from what the operator wrote before what the machine says`() throws {
        let own = "initial_peers = [\"node-1@grape-1:7100\"]"
        #expect(try load("[cluster]\nenabled = true").raftAddress.description == "machine:7000")
        #expect(try load("[cluster]\n\(own)").raftAddress.description == "grape-1:7100")
        #expect(try load("[cluster]\n\(own)").nodeAddress.description == "grape-1:6334")
        #expect(try load("[cluster]\nenabled = true\nnode_address = \"n:1\"").raftAddress.description == "n:7000")
        let variable = ["GRAPE_RAFT_ADDRESS": "r:9"]
        #expect(try load("[cluster]\n\(own)", environment: variable).raftAddress.description == "r:9")
        #expect(
            try load("[cluster]\nenabled = true\n[server]\nbind_address = \"10.0.0.7\"").nodeAddress.host == "10.0.0.7")
    }

    @Test func `what this build can't honour is listed, keys without effect are warned of`() throws {
        #expect(try load("[vector]\non_disk = true").unsupported.count == 1)
        #expect(try load("[tls]\nenabled = true\ncert_file = \"c\"\nkey_file = \"k\"").unsupported.isEmpty)
        #expect(try load("[auth]\nenabled = true\napi_keys = [\"k\"]").unsupported.isEmpty)
        #expect(try load("[auth]\napi_keys = [\"k\"]").warnings.count == 1)
        #expect(try load("[tls]\ncert_file = \"c\"").warnings.count == 1)
    }
}

@Suite struct AddressTests {
    @Test(arguments: ["h:1", "grape-node-1:7000", "10.0.0.1:65535", "[::1]:80", "[fe80::1%eth0]:1"])
    func `an address is read and written the same`(text: String) {
        #expect(HostPort(text: text)?.description == text)
        #expect(PeerAddress(text: "n_1.x-2@\(text)")?.description == "n_1.x-2@\(text)")
    }

    @Test(arguments: [
        "", ":", "h", "h:", ":1", "h:0", "h:65536", "h:+1", "h:1a", "::1:80", "h h:1", "[]:1", "h/x:1", "h:000001",
    ])
    func `what nobody can dial is refused`(text: String) {
        #expect(HostPort(text: text) == nil)
        #expect(PeerAddress(text: "n@\(text)") == nil)
    }

    @Test(arguments: ["@h:1", "a b@h:1", "a@b@h:1", "ü@h:1"])
    func `a peer's id is plain`(text: String) { #expect(PeerAddress(text: text) == nil) }
}
