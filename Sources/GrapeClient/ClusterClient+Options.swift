extension ClusterClient {
    /// How a client behaves.
    public struct Options: Sendable {
        /// A call with all its repetitions takes at most so long.
        public var timeout = Duration.seconds(30)
        /// A node that has not answered after so long is given up for this call, and another one is asked. Longer than
        /// an election takes, during which calls wait in the node.
        public var attemptTimeout = Duration.seconds(10)
        /// For opening a connection.
        public var connectTimeout = Duration.seconds(2)
        /// Nodes are asked for their health so often, while calls are made.
        public var healthInterval = Duration.seconds(1)
        /// A node that has not said in so long that it is healthy is not.
        public var healthTimeout = Duration.seconds(1)
        /// Requests to one node at the same time; more wait for a connection.
        public var connectionsPerEndpoint = 64
        /// One of the server's keys, where it has `[auth]` on.
        public var apiKey: String?
        /// Bytes of an answer; a longer one is an error.
        public var answerBytesMax = 256 << 20

        public init() {}
    }
}
