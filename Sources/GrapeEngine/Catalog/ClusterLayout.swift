import GrapeModel

/// Members of the cluster and where their replicas are: the part of the catalog that is not about collections. A value;
/// founders begin with the same one, later it changes by entries of the catalog's log only.
package struct ClusterLayout: Sendable, Hashable {
    package private(set) var replicaCount = 1
    package private(set) var nextNode: UInt32 = 1
    /// Serials of replicas, and ids of moves, are given out once.
    package private(set) var nextSerial: UInt32 = 1
    /// In the order of their numbers.
    package private(set) var members: [Member] = []
    /// By shard.
    package private(set) var placements: [ShardPlacement] = []

    package init() {}

    /// What a cluster is founded with.
    package init(
        members: [Member], placements: [ShardPlacement], replicaCount: Int, nextNode: UInt32, nextSerial: UInt32
    ) {
        self.members = members
        self.placements = placements
        self.replicaCount = replicaCount
        self.nextNode = nextNode
        self.nextSerial = nextSerial
    }

    package func member(_ number: NodeNumber) -> Member? { members.first { $0.number == number } }

    package func member(named nodeID: String) -> Member? { members.first { $0.nodeID == nodeID } }

    package func placement(_ shard: ShardID) -> ShardPlacement? {
        Int(shard.rawValue) < placements.count ? placements[Int(shard.rawValue)] : nil
    }

    /// Applies one command. A command that finds its work done changes nothing.
    package mutating func apply(_ command: LayoutCommand) -> LayoutOutcome {
        switch command {
        case .admit(let nodeID, let bootID, let addresses, let version):
            return admit(nodeID, bootID, addresses, version)
        case .update(let number, let addresses, let version):
            guard let place = place(of: number) else { return .notFound }
            members[place].addresses = addresses
            members[place].version = version
            return .done
        case .leave(let number): return leave(number)
        case .remove(let number):
            guard let place = place(of: number) else { return .done }
            guard members[place].state == .leaving, !holdsReplicas(number) else { return .notFound }
            members.remove(at: place)
            return .done
        case .renewCatalogReplica(let old):
            guard let place = place(of: old.node), members[place].catalogSerial == old.serial else { return .notFound }
            members[place].catalogSerial = nextSerial
            nextSerial += 1
            return .done
        case .setReplicaCount(let count):
            replicaCount = max(1, count)
            return .done
        case .startMove(let shard, let adding, let removing, let startedAt):
            return startMove(shard, adding, removing, startedAt)
        case .finishMove(let shard, let id):
            guard let placement = placement(shard), placement.move?.id == id else { return .notFound }
            placements[Int(shard.rawValue)] = ShardPlacement(replicas: placement.target)
            return .done
        case .cancelMove(let shard, let id): return cancelMove(shard, id)
        }
    }

    /// Whether a replica of some shard is on the node, or on its way there.
    package func holdsReplicas(_ number: NodeNumber) -> Bool {
        placements.contains { $0.all.contains { $0.node == number } }
    }

    private func place(of number: NodeNumber) -> Int? { members.firstIndex { $0.number == number } }

    /// The last member stays: there is nobody to take its replicas.
    private mutating func leave(_ number: NodeNumber) -> LayoutOutcome {
        guard let place = place(of: number) else { return .notFound }
        guard members.contains(where: { $0.state == .member && $0.number != number }) else { return .lastMember }
        members[place].state = .leaving
        return .done
    }

    private mutating func admit(
        _ nodeID: String, _ bootID: UInt64, _ addresses: MemberAddresses, _ version: String
    ) -> LayoutOutcome {
        if let place = members.firstIndex(where: { $0.nodeID == nodeID }) {
            guard members[place].bootID == bootID else { return .otherDirectory(members[place].number) }
            members[place].addresses = addresses
            members[place].version = version
            return .member(members[place])
        }
        let member = Member(
            number: NodeNumber(nextNode), nodeID: nodeID, bootID: bootID, addresses: addresses, version: version,
            catalogSerial: nextSerial)
        nextNode += 1
        nextSerial += 1
        members.append(member)
        return .member(member)
    }

    /// One change in flight a shard (RAFT.md 15).
    private mutating func startMove(
        _ shard: ShardID, _ adding: NodeNumber?, _ removing: ReplicaPlace?, _ startedAt: UInt64
    ) -> LayoutOutcome {
        guard let placement = placement(shard), placement.move == nil, adding != nil || removing != nil else {
            return .notFound
        }
        if let removing, !placement.replicas.contains(removing) { return .notFound }
        // Somebody keeps the rows.
        if adding == nil, placement.replicas.count == 1 { return .notFound }
        var place: ReplicaPlace?
        if let adding {
            let isTaken = placement.replicas.contains { $0.node == adding && $0 != removing }
            guard member(adding)?.state == .member, !isTaken else { return .notFound }
            place = ReplicaPlace(node: adding, serial: nextSerial)
        }
        placements[Int(shard.rawValue)].move = ShardMove(
            id: UInt64(nextSerial), adding: place, removing: removing, startedAt: startedAt)
        nextSerial += 1
        return .done
    }
}

extension ClusterLayout {
    /// A replica that was to come may vote by now, or may be about to by a change that is under way: so the move is turned
    /// round, and the replica is kept until its group has no place for it for certain.
    ///
    /// If the new one votes by now (a change under way overtook the end of the move) and the one that it replaced is of no
    /// use any more, the move is turned round once more, and the new one stays.
    private mutating func cancelMove(_ shard: ShardID, _ id: UInt64) -> LayoutOutcome {
        guard let placement = placement(shard), let move = placement.move, move.id == id else { return .notFound }
        if let removing = move.removing, !placement.replicas.contains(removing) {
            guard let replaced = move.replaced, placement.replicas.contains(replaced) else { return .notFound }
            placements[Int(shard.rawValue)].move = ShardMove(
                id: UInt64(nextSerial), adding: removing, removing: replaced, startedAt: move.startedAt)
        } else {
            placements[Int(shard.rawValue)].move = move.adding.map {
                ShardMove(
                    id: UInt64(nextSerial), adding: nil, removing: $0, replaced: move.removing,
                    startedAt: move.startedAt)
            }
        }
        nextSerial += 1
        return .done
    }
}

extension ClusterLayout {
    private static let format: UInt8 = 1

    /// Format (8 bits), replica count (32), next node (32), next serial (32), members and placements with their counts (32).
    package var encoded: [UInt8] {
        var bytes: [UInt8] = [Self.format]
        bytes.appendLittleEndian(UInt32(replicaCount))
        bytes.appendLittleEndian(nextNode)
        bytes.appendLittleEndian(nextSerial)
        bytes.appendLittleEndian(UInt32(members.count))
        for member in members { member.encode(into: &bytes) }
        bytes.appendLittleEndian(UInt32(placements.count))
        for placement in placements { placement.encode(into: &bytes) }
        return bytes
    }

    package init?(encoded bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard reader.integer(UInt8.self) == Self.format, let replicaCount = reader.integer(UInt32.self),
            let nextNode = reader.integer(UInt32.self), let nextSerial = reader.integer(UInt32.self),
            let members = reader.list({ Member(reader: &$0) }),
            let placements = reader.list({ ShardPlacement(reader: &$0) }), reader.isAtEnd
        else { return nil }
        self.init(
            members: members, placements: placements, replicaCount: Int(replicaCount), nextNode: nextNode,
            nextSerial: nextSerial)
    }
}
