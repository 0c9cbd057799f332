/// What a client asks a node.
struct ClientRequest {
    enum Kind {
        case upsert(key: Int, value: Int)
        case delete(key: Int)
        case read(key: Int)
        /// All points of the shards that the node has.
        case search

        var isRead: Bool {
            switch self {
            case .read, .search: true
            case .upsert, .delete: false
            }
        }
    }

    var client: Int
    var sequence: Int
    /// How often it was sent before. A connection never brings one request twice.
    var attempt = 0
    var kind: Kind
    /// The same when the client asks again, perhaps another node.
    var idempotencyKey: [UInt8]
    /// Until when the node may go on trying.
    var deadline: UInt64
}

struct ClientAnswer {
    enum Kind {
        case written
        /// It was not and will not be done.
        case refused
        case unknown
        case value(Int?)
        /// What a search found, of every point that it must have looked at.
        case found([(key: Int, value: Int?)])
        /// Not here; perhaps elsewhere, or later.
        case notHere
    }

    var client: Int
    var sequence: Int
    var kind: Kind
}
