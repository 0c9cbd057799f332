import Foundation
import GrapeConfiguration
import Testing

@Suite struct ShippedFileTests {
    private func shipped(_ name: String) throws -> ConfigurationFile {
        try ConfigurationFile.read(packageRoot.appending(path: "configs/\(name)").path)
    }

    @Test(arguments: 1...3)
    func `the files of the three-node cluster are valid`(number: Int) throws {
        let configuration = try Configuration.load(file: shipped("node\(number).toml"))
        #expect(configuration.isClustered && configuration.warnings.isEmpty)
        #expect(configuration.nodeAddress.description == "grape-node-\(number):6334")
        #expect(configuration.raftAddress.description == "grape-node-\(number):7000")
        #expect(configuration.cluster.initialPeers.count == (number == 1 ? 3 : 0))
        #expect(configuration.vector.dimension == 768 && configuration.vector.binaryQuantization)
        #expect(configuration.index.efConstruction == 400 && configuration.server.workerThreads == 8)
    }

    @Test func `the variables of the guide's compose file fit its files`() throws {
        let variables = [
            "GRAPE_NODE_ID": "node-2", "GRAPE_CLUSTER_ENABLED": "true", "GRAPE_RAFT_ADDRESS": "grape-node-2:7000",
        ]
        let configuration = try Configuration.load(file: shipped("node2.toml"), environment: variables)
        #expect(configuration.raftAddress.description == "grape-node-2:7000")
    }

    @Test func `a fourth node needs only a cluster table and no token`() throws {
        let text = """
            [cluster]
            node_id = "node-4"
            node_address = "grape-node-4:6334"
            join_cluster = true
            seed_nodes = ["node-1@grape-node-1:7000"]
            """
        let configuration = try load(text)
        #expect(configuration.isClustered && configuration.bindAddress == "0.0.0.0")
        #expect(configuration.warnings.count == 1)
        let variable = ["GRAPE_CLUSTER_CLUSTER_TOKEN": "secret"]
        #expect(try load(text, environment: variable).cluster.token == "secret")
    }

    @Test func `single-node.toml documents every key with its default`() throws {
        let file = try shipped("single-node.toml")
        #expect(String(decoding: file.bytes, as: UTF8.self) == ConfigurationReference.file)
        #expect(try Configuration.load(file: file) == Configuration())
    }

    @Test func `single-node.toml with every setting uncommented is the default`() throws {
        let text = ConfigurationReference.file
        let names = ConfigurationKey.all.map { "# \($0.name) = " }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            names.contains { line.hasPrefix($0) } ? line.dropFirst(2) : line
        }
        #expect(lines.filter { !$0.hasPrefix("#") && $0.contains(" = ") }.count >= 45)
        #expect(try load(lines.joined(separator: "\n"), hostName: "localhost") == Configuration())
    }
}
