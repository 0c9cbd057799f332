import Foundation
import GrapeCluster
import GrapeModel
import GrapeProto

// What the node found becomes messages.

extension Grape_V1_PointId {
    /// In the form last written.
    init(_ id: WrittenID) {
        self.init()
        if case .integer(let number) = id.id, id.form == .number {
            self.number = number
        } else {
            text = id.text
        }
    }
}

extension [NamedVector] {
    /// The unnamed vector alone, or all under their names.
    fileprivate var parts: (unnamed: [Float], named: [Grape_V1_NamedVector]) {
        if count == 1, self[0].name.isEmpty { return (self[0].values, []) }
        return (
            [],
            map { vector in
                .with {
                    $0.name = vector.name
                    $0.values = vector.values
                }
            }
        )
    }
}

extension Grape_V1_Point {
    init(_ point: Point) {
        self.init()
        id = Grape_V1_PointId(point.id)
        (vector, namedVectors) = point.vectors.parts
        payload = Data(point.payload.json)
    }
}

extension Grape_V1_ScoredPoint {
    init(_ point: ScoredPoint) {
        self.init()
        id = Grape_V1_PointId(point.id)
        score = point.score
        if let found = point.payload { payload = Data(found.json) }
        if !point.vectors.isEmpty { (vector, namedVectors) = point.vectors.parts }
    }
}

extension Grape_V1_ClusterInfoResponse {
    init(_ node: Node, _ options: APIOptions) {
        self.init()
        let info = node.clusterInfo()
        clusterID = node.clusterID
        nodeID = options.nodeID
        status = info.status
        if let known = info.leader { leader = known }
        term = info.term
        shardCount = UInt32(node.options.shardCount)
        replicaCount = UInt32(info.replicaCount)
        nodes = info.members.map(Grape_V1_ClusterNode.init)
        version = options.version
    }
}

extension Grape_V1_ClusterNode {
    init(_ info: MemberInfo) {
        self.init()
        nodeID = info.member.nodeID
        address = info.member.addresses.grpc.description
        restAddress = info.member.addresses.rest.description
        raftAddress = info.member.addresses.raft.description
        state = info.state
        role = info.isLeader ? "leader" : "follower"
        lastSeenMs = UInt64(max(0, info.lastSeenMilliseconds))
        leaders = UInt32(info.leaders)
        replicas = UInt32(info.replicas)
        points = UInt64(max(0, info.points))
        version = info.member.version
    }
}
