import GrapeConfiguration
import Testing

@Suite struct SourceTests {
    @Test func `a flag beats a variable, a variable beats the file, the file beats the default`() throws {
        let file = "[server]\nrest_port = 1111\ngrpc_port = 1112\nmax_connections = 5"
        let variables = ["GRAPE_SERVER_REST_PORT": "2222", "GRAPE_GRPC_PORT": "2223"]
        let configuration = try load(file, environment: variables, flags: ["--rest-port", "3333"])
        #expect(configuration.server.restPort == 3333)
        #expect(configuration.server.grpcPort == 2223)
        #expect(configuration.server.maxConnections == 5)
        #expect(configuration.server.requestTimeoutSeconds == 30)
    }

    @Test(arguments: [
        ("GRAPE_NODE_ID", "n", "cluster.node_id"), ("GRAPE_CLUSTER_ENABLED", "true", "cluster.enabled"),
        ("GRAPE_RAFT_ADDRESS", "h:7000", "cluster.raft_address"), ("GRAPE_REST_PORT", "1", "server.rest_port"),
        ("GRAPE_GRPC_PORT", "1", "server.grpc_port"), ("GRAPE_DATA_DIR", "/d", "server.data_dir"),
        ("GRAPE_LOG_LEVEL", "debug", "server.log_level"), ("GRAPE_VECTOR_DIMENSION", "3", "vector.dimension"),
        ("GRAPE_DISTANCE_METRIC", "dot_product", "vector.distance_metric"),
        ("GRAPE_COMPRESSION_ENABLED", "0", "storage.compression_enabled"),
        ("GRAPE_CACHE_SIZE_MB", " 9 ", "storage.cache_size_mb"), ("GRAPE_API_KEY", "a,b", "auth.api_keys"),
        ("GRAPE_AUTH_READONLY_KEYS", "x, y,", "auth.readonly_keys"),
        ("GRAPE_SHARDING_REBALANCE_THRESHOLD", "0.5", "sharding.rebalance_threshold"),
    ])
    func `every documented variable sets its key`(variable: String, text: String, name: String) throws {
        let key = try #require(ConfigurationKey.all.first { $0.fullName == name })
        let literal = key.literal(try load(environment: [variable: text]))
        let expected = [
            "GRAPE_COMPRESSION_ENABLED": "false", "GRAPE_CACHE_SIZE_MB": "9", "GRAPE_API_KEY": "[\"a,b\"]",
            "GRAPE_AUTH_READONLY_KEYS": "[\"x\", \"y\"]",
        ]
        #expect(literal == expected[variable] ?? text || literal == "\"\(text)\"", "\(literal ?? "unset")")
    }

    @Test func `GRAPE_AUTH_ENABLED needs a key`() {
        #expect(
            failure(environment: ["GRAPE_AUTH_ENABLED": "true"])?.hasPrefix("GRAPE_AUTH_ENABLED: auth.enabled") == true)
        #expect(failure(environment: ["GRAPE_AUTH_ENABLED": "true", "GRAPE_API_KEY": "k"]) == nil)
    }

    @Test func `an empty variable counts as unset`() throws {
        let configuration = try load(
            "[server]\nrest_port = 5", environment: ["GRAPE_REST_PORT": "", "GRAPE_API_KEY": ""])
        #expect(configuration.server.restPort == 5 && configuration.auth.apiKeys.isEmpty)
    }

    @Test(arguments: [
        ("GRAPE_REST_PORT", "x", "GRAPE_REST_PORT: server.rest_port: found \"x\", expected an integer from 0 to 65535"),
        ("GRAPE_REST_PORT", "65536", "GRAPE_REST_PORT: server.rest_port: found 65536, expected"),
        ("GRAPE_REST_PORT", "99999999999999999999", "server.rest_port: found \"99999999999999999999\", expected"),
        (
            "GRAPE_AUTH_ENABLED", "yes please",
            "GRAPE_AUTH_ENABLED: auth.enabled: found \"yes please\", expected true or false"
        ),
        ("GRAPE_SHARDING_REBALANCE_THRESHOLD", "nan", "found nan, expected a number"),
        (
            "GRAPE_SERVER_REST_PRT", "1",
            "found an unknown key, expected GRAPE_SERVER_ and a key of [server] (did you mean GRAPE_SERVER_REST_PORT?)"
        ),
        ("GRAPE_TLS_NODE_ID", "1", "(did you mean GRAPE_CLUSTER_NODE_ID?)"),
        ("GRAPE_CLUSTER_INITIAL_PEERS", "a@b:1,c", "found \"c\", expected an array of strings"),
        (
            "GRAPE_CLUSTER_CLUSTER_TOKEN", "hunter 2",
            "cluster.cluster_token: found a string that does not fit, expected"
        ),
    ])
    func `a wrong variable is named`(variable: String, text: String, expected: String) throws {
        let message = try #require(failure(environment: [variable: text]))
        #expect(message.contains(expected), "\(message)")
    }

    @Test func `variables of others are left alone, near misses are pointed out`() throws {
        #expect(try load(environment: ["GRAPE_HOME": "/x", "PATH": "y", "grape_rest_port": "z"]).warnings.isEmpty)
        let warnings = try load(environment: ["GRAPE_REST_PRT": "1"]).warnings
        #expect(warnings == ["environment variable GRAPE_REST_PRT is not used (did you mean GRAPE_REST_PORT?)"])
    }

    @Test(arguments: [
        ("GRAPE_SERVER_SERVICE_HOST", "10.0.0.1"), ("GRAPE_SERVER_PORT", "tcp://10.0.0.1:6333"),
        ("GRAPE_SERVER_PORT_6333_TCP_ADDR", "10.0.0.1"), ("GRAPE_RAFT_SERVICE_PORT_HTTP", "7000"),
        ("GRAPE_REST_PORT", "tcp://10.0.0.1:6333"),
    ])
    func `the service variables of Kubernetes don't keep the server from starting`(variable: String, text: String) {
        #expect(failure(environment: [variable: text]) == nil)
    }

    @Test func `two names of one key must agree`() throws {
        let message = try #require(failure(environment: ["GRAPE_REST_PORT": "1", "GRAPE_SERVER_REST_PORT": "2"]))
        #expect(
            message == "GRAPE_SERVER_REST_PORT: server.rest_port: found another value than in GRAPE_REST_PORT, "
                + "expected the same value in both, or one of them unset")
        #expect(failure(environment: ["GRAPE_REST_PORT": "1", "GRAPE_SERVER_REST_PORT": "1"]) == nil)
    }

    @Test func `flags take their value after a space or an equals sign`() throws {
        let configuration = try load(flags: [
            "--server.rest-port", "1", "--server.grpc_port=2", "--data-dir", "/d", "--cluster.cluster-token=a=b",
            "--storage.compression-enabled=false", "--vector.on-disk", "--cluster.seed-nodes", "a@h:1,h:2",
            "--rest-port=3",
        ])
        #expect(configuration.server.restPort == 3 && configuration.server.grpcPort == 2)
        #expect(configuration.server.dataDirectory == "/d" && configuration.cluster.token == "a=b")
        #expect(configuration.vector.onDisk && !configuration.storage.compressionEnabled)
        #expect(configuration.cluster.seedNodes.count == 2)
    }

    @Test(arguments: [
        (["--rest-prt", "1"], "command line: --rest-prt: found an unknown flag", "(did you mean --rest-port?)"),
        (["--server.node-id", "1"], "--server.node-id: found an unknown flag", "(did you mean --cluster.node-id?)"),
        (["--confg=x"], "--confg: found an unknown flag", "(did you mean --config?)"),
        (["--rest-port"], "--rest-port: server.rest_port: found no value", "expected an integer from 0 to 65535"),
        (["--rest-port", "--data-dir"], "--rest-port: server.rest_port: found no value", "expected"),
        (["--rest-port=70000"], "--rest-port: server.rest_port: found 70000", "from 0 to 65535"),
        (["--rest-port", "-5"], "--rest-port: server.rest_port: found -5", "expected"),
        (["serve"], "command line: found \"serve\", expected a flag", "--help"),
        (["--auth.enabled", "maybe"], "command line: found \"maybe\", expected a flag", "--help"),
    ])
    func `a wrong flag is named`(flags: [String], expected: String, detail: String) throws {
        let message = try #require(failure(flags: flags))
        #expect(message.contains(expected) && message.contains(detail), "\(message)")
    }

    @Test func `names of variables and flags are unique`() {
        let variables = ConfigurationKey.all.flatMap { [$0.environmentName] + ($0.shortVariable.map { [$0] } ?? []) }
        let flags = ConfigurationKey.all.flatMap { [$0.flagName] + ($0.shortFlag.map { [$0] } ?? []) }
        #expect(Set(variables).count == variables.count && Set(flags).count == flags.count)
    }
}
