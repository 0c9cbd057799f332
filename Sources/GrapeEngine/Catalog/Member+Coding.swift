import GrapeModel

// Members and placements in bytes, for rows and entries of the catalog and for the founding of a cluster: little-endian,
// texts with their length (32 bits).

extension HostPort {
    fileprivate func encode(into bytes: inout [UInt8]) {
        bytes.appendSized(host.utf8)
        bytes.appendLittleEndian(UInt16(port))
    }

    fileprivate init?(reader: inout ByteReader) {
        guard let host = reader.text(), let port = reader.integer(UInt16.self) else { return nil }
        self.init(host: host, port: Int(port))
    }
}

extension MemberAddresses {
    package func encode(into bytes: inout [UInt8]) {
        for address in [grpc, rest, raft] { address.encode(into: &bytes) }
    }

    package init?(reader: inout ByteReader) {
        guard let grpc = HostPort(reader: &reader), let rest = HostPort(reader: &reader),
            let raft = HostPort(reader: &reader)
        else { return nil }
        self.init(grpc: grpc, rest: rest, raft: raft)
    }
}

extension Member {
    private static let format: UInt8 = 1

    /// Format (8 bits), number (32), node id, boot id (64), addresses, version, state (8), serial of the catalog's
    /// replica (32).
    package func encode(into bytes: inout [UInt8]) {
        bytes.append(Self.format)
        bytes.appendLittleEndian(number.rawValue)
        bytes.appendSized(nodeID.utf8)
        bytes.appendLittleEndian(bootID)
        addresses.encode(into: &bytes)
        bytes.appendSized(version.utf8)
        bytes.append(state.rawValue)
        bytes.appendLittleEndian(catalogSerial)
    }

    package init?(reader: inout ByteReader) {
        guard reader.integer(UInt8.self) == Self.format, let number = reader.integer(UInt32.self),
            let nodeID = reader.text(), let bootID = reader.integer(UInt64.self),
            let addresses = MemberAddresses(reader: &reader), let version = reader.text(),
            let state = reader.integer(UInt8.self).flatMap(State.init), let serial = reader.integer(UInt32.self)
        else { return nil }
        self.init(
            number: NodeNumber(number), nodeID: nodeID, bootID: bootID, addresses: addresses, version: version,
            catalogSerial: serial)
        self.state = state
    }
}

extension ReplicaPlace {
    fileprivate func encode(into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(node.rawValue)
        bytes.appendLittleEndian(serial)
    }

    fileprivate init?(reader: inout ByteReader) {
        guard let node = reader.integer(UInt32.self), let serial = reader.integer(UInt32.self) else { return nil }
        self.init(node: NodeNumber(node), serial: serial)
    }
}

extension Optional<ReplicaPlace> {
    /// Node number 0: none.
    fileprivate func encode(into bytes: inout [UInt8]) {
        (self ?? ReplicaPlace(node: NodeNumber(0), serial: 0)).encode(into: &bytes)
    }
}

extension ShardPlacement {
    private static let format: UInt8 = 1

    /// Format (8 bits), replicas (count 32 bits; node and serial, 32 each), whether there is a move (8); its id (64), the
    /// replica that comes, the one that goes, the one that was to be replaced (node 0: none), its beginning (64).
    package func encode(into bytes: inout [UInt8]) {
        bytes.append(Self.format)
        bytes.appendLittleEndian(UInt32(replicas.count))
        for replica in replicas { replica.encode(into: &bytes) }
        bytes.append(move == nil ? 0 : 1)
        move?.encode(into: &bytes)
    }

    package init?(reader: inout ByteReader) {
        guard reader.integer(UInt8.self) == Self.format, let replicas = reader.list({ ReplicaPlace(reader: &$0) }),
            let hasMove = reader.integer(UInt8.self)
        else { return nil }
        self.init(replicas: replicas)
        switch hasMove {
        case 0: break
        case 1:
            guard let move = ShardMove(reader: &reader) else { return nil }
            self.move = move
        default: return nil
        }
    }
}

extension ShardMove {
    func encode(into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(id)
        adding.encode(into: &bytes)
        removing.encode(into: &bytes)
        replaced.encode(into: &bytes)
        bytes.appendLittleEndian(startedAt)
    }

    init?(reader: inout ByteReader) {
        guard let id = reader.integer(UInt64.self), let adding = ReplicaPlace(reader: &reader),
            let removing = ReplicaPlace(reader: &reader), let replaced = ReplicaPlace(reader: &reader),
            let startedAt = reader.integer(UInt64.self)
        else { return nil }
        func present(_ place: ReplicaPlace) -> ReplicaPlace? { place.node.rawValue == 0 ? nil : place }
        self.init(
            id: id, adding: present(adding), removing: present(removing), replaced: present(replaced),
            startedAt: startedAt)
    }
}
