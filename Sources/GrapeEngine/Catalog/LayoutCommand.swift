import GrapeModel

/// An entry of the catalog about members and placement. All of them may come twice.
package enum LayoutCommand: Sendable, Hashable {
    /// A node joins, or asks again because it did not hear the answer.
    case admit(nodeID: String, bootID: UInt64, addresses: MemberAddresses, version: String)
    /// A member has other addresses, or runs another version. Never makes a member of who is none.
    case update(NodeNumber, addresses: MemberAddresses, version: String)
    /// Its replicas are to move away.
    case leave(NodeNumber)
    /// It left, and holds nothing any more.
    case remove(NodeNumber)
    /// A replica is to come to a node, or one is to go, or both.
    case startMove(ShardID, adding: NodeNumber?, removing: ReplicaPlace?, startedAt: UInt64)
    case finishMove(ShardID, id: UInt64)
    case cancelMove(ShardID, id: UInt64)
    /// A node's replica of the catalog lost what it had promised: another one takes its place on the same node.
    case renewCatalogReplica(ReplicaPlace)
    case setReplicaCount(Int)
}

package enum LayoutOutcome: Sendable, Hashable {
    case done
    case notFound
    case member(Member)
    /// There is a member of this node id, made from another data directory.
    case otherDirectory(NodeNumber)
    /// The only member can't leave.
    case lastMember
}

extension LayoutCommand {
    func encode(into bytes: inout [UInt8]) {
        switch self {
        case .admit(let nodeID, let bootID, let addresses, let version):
            bytes.append(1)
            bytes.appendSized(nodeID.utf8)
            bytes.appendLittleEndian(bootID)
            addresses.encode(into: &bytes)
            bytes.appendSized(version.utf8)
        case .leave(let number):
            bytes.append(2)
            bytes.appendLittleEndian(number.rawValue)
        case .remove(let number):
            bytes.append(3)
            bytes.appendLittleEndian(number.rawValue)
        case .startMove(let shard, let adding, let removing, let startedAt):
            bytes.append(4)
            bytes.appendLittleEndian(shard.rawValue)
            let move = ShardMove(
                id: 0, adding: adding.map { ReplicaPlace(node: $0, serial: 0) }, removing: removing,
                startedAt: startedAt)
            move.encode(into: &bytes)
        case .finishMove(let shard, let id):
            bytes.append(5)
            bytes.appendLittleEndian(shard.rawValue)
            bytes.appendLittleEndian(id)
        case .cancelMove(let shard, let id):
            bytes.append(6)
            bytes.appendLittleEndian(shard.rawValue)
            bytes.appendLittleEndian(id)
        case .update(let number, let addresses, let version):
            bytes.append(7)
            bytes.appendLittleEndian(number.rawValue)
            addresses.encode(into: &bytes)
            bytes.appendSized(version.utf8)
        case .renewCatalogReplica(let place):
            bytes.append(8)
            bytes.appendLittleEndian(place.node.rawValue)
            bytes.appendLittleEndian(place.serial)
        case .setReplicaCount(let count):
            bytes.append(9)
            bytes.appendLittleEndian(UInt32(clamping: count))
        }
    }

    init?(reader: inout ByteReader) {
        guard let kind = reader.integer(UInt8.self), let command = Self.read(kind, &reader) else { return nil }
        self = command
    }

    private static func read(_ kind: UInt8, _ reader: inout ByteReader) -> LayoutCommand? {
        switch kind {
        case 1:
            guard let nodeID = reader.text(), let bootID = reader.integer(UInt64.self),
                let addresses = MemberAddresses(reader: &reader), let version = reader.text()
            else { return nil }
            return .admit(nodeID: nodeID, bootID: bootID, addresses: addresses, version: version)
        case 2: return reader.integer(UInt32.self).map { .leave(NodeNumber($0)) }
        case 3: return reader.integer(UInt32.self).map { .remove(NodeNumber($0)) }
        case 4:
            guard let shard = reader.integer(UInt16.self), let move = ShardMove(reader: &reader) else { return nil }
            return .startMove(
                ShardID(shard), adding: move.adding?.node, removing: move.removing, startedAt: move.startedAt)
        case 5, 6:
            guard let shard = reader.integer(UInt16.self), let id = reader.integer(UInt64.self) else { return nil }
            return kind == 5 ? .finishMove(ShardID(shard), id: id) : .cancelMove(ShardID(shard), id: id)
        case 7:
            guard let number = reader.integer(UInt32.self), let addresses = MemberAddresses(reader: &reader),
                let version = reader.text()
            else { return nil }
            return .update(NodeNumber(number), addresses: addresses, version: version)
        case 8:
            guard let node = reader.integer(UInt32.self), let serial = reader.integer(UInt32.self) else { return nil }
            return .renewCatalogReplica(ReplicaPlace(node: NodeNumber(node), serial: serial))
        case 9: return reader.integer(UInt32.self).map { .setReplicaCount(Int($0)) }
        default: return nil
        }
    }
}
