import GrapeEngine
import GrapeModel
import GrapeRaft

/// What a node tells the others about itself, twice a second: that it lives, what it leads and how far it is.
package struct NodeReport: Sendable, Hashable {
    package struct Group: Sendable, Hashable {
        package var group: LogGroup
        package var serial: UInt32
        package var isLeader: Bool
        package var isLearner: Bool
        package var isLost: Bool
        package var isInstalling: Bool
        /// The configuration as it is applied there outlasts a power loss.
        package var isConfigurationDurable: Bool
        /// It was set aside, and waits to be replaced.
        package var isQuarantined: Bool
        /// Some of its rows, or of its log, can't be trusted.
        package var isDamaged: Bool
        package var term: UInt64
        package var applied: UInt64
        package var points: UInt64
        package var bytes: UInt64

        package init(
            group: LogGroup, serial: UInt32, isLeader: Bool, isLearner: Bool, isLost: Bool, isInstalling: Bool,
            isConfigurationDurable: Bool = true, isQuarantined: Bool = false, isDamaged: Bool = false, term: UInt64,
            applied: UInt64, points: UInt64, bytes: UInt64
        ) {
            self.group = group
            self.serial = serial
            self.isLeader = isLeader
            self.isLearner = isLearner
            self.isLost = isLost
            self.isInstalling = isInstalling
            self.isConfigurationDurable = isConfigurationDurable
            self.isQuarantined = isQuarantined
            self.isDamaged = isDamaged
            self.term = term
            self.applied = applied
            self.points = points
            self.bytes = bytes
        }
    }

    package var number: NodeNumber
    /// Where it listens now, which the catalog may not know yet; nil on a node alone.
    package var raftAddress: HostPort?
    package var uptimeSeconds: UInt64
    package var freeBytes: UInt64
    package var residentBytes: UInt64
    /// Points that wait for the graph, in the collection where they are most.
    package var backlog: Int
    package var groups: [Group]
    /// Rows on their way from this node.
    package var transfers: [SnapshotTransfer]

    package init(
        number: NodeNumber, raftAddress: HostPort?, uptimeSeconds: UInt64, freeBytes: UInt64, residentBytes: UInt64,
        backlog: Int = 0, groups: [Group], transfers: [SnapshotTransfer] = []
    ) {
        self.number = number
        self.raftAddress = raftAddress
        self.uptimeSeconds = uptimeSeconds
        self.freeBytes = freeBytes
        self.residentBytes = residentBytes
        self.backlog = backlog
        self.groups = groups
        self.transfers = transfers
    }

    package func group(_ group: LogGroup) -> Group? { groups.first { $0.group == group } }
}

extension NodeReport {
    private static let format: UInt8 = 1

    /// Format (8 bits), number (32), raft address as text (empty: none), uptime, free and resident bytes, backlog (64 each),
    /// groups with their count (32): number (16), serial (32), flags (8: leader, learner, lost, installing, durable
    /// configuration, quarantined, damaged), term, applied, points, bytes (64 each); transfers with their count (32): group (16), receiving
    /// replica, points sent and in all, bytes sent (64 each). Little-endian.
    package var encoded: [UInt8] {
        var bytes: [UInt8] = [Self.format]
        bytes.appendLittleEndian(number.rawValue)
        bytes.appendSized((raftAddress?.description ?? "").utf8)
        for value in [uptimeSeconds, freeBytes, residentBytes, UInt64(backlog)] { bytes.appendLittleEndian(value) }
        bytes.appendLittleEndian(UInt32(groups.count))
        for group in groups {
            bytes.appendLittleEndian(group.group.number)
            bytes.appendLittleEndian(group.serial)
            let flags = [
                group.isLeader, group.isLearner, group.isLost, group.isInstalling, group.isConfigurationDurable,
                group.isQuarantined, group.isDamaged,
            ]
            bytes.append(flags.enumerated().reduce(UInt8(0)) { $0 | ($1.element ? 1 << $1.offset : 0) })
            for value in [group.term, group.applied, group.points, group.bytes] { bytes.appendLittleEndian(value) }
        }
        bytes.appendLittleEndian(UInt32(transfers.count))
        for transfer in transfers {
            bytes.appendLittleEndian(transfer.group.number)
            for value in [transfer.to.rawValue, transfer.points, transfer.totalPoints, transfer.bytes] {
                bytes.appendLittleEndian(value)
            }
        }
        return bytes
    }

    package init?(encoded bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard reader.integer(UInt8.self) == Self.format, let number = reader.integer(UInt32.self),
            let address = reader.text(), let uptime = reader.integer(UInt64.self),
            let free = reader.integer(UInt64.self),
            let resident = reader.integer(UInt64.self), let backlog = reader.integer(UInt64.self),
            let groups = reader.list({ Group(reader: &$0) }),
            let transfers = reader.list({ SnapshotTransfer(reader: &$0) }), reader.isAtEnd
        else { return nil }
        self.init(
            number: NodeNumber(number), raftAddress: HostPort(text: address), uptimeSeconds: uptime, freeBytes: free,
            residentBytes: resident, backlog: Int(clamping: backlog), groups: groups, transfers: transfers)
    }
}

extension NodeReport.Group {
    fileprivate init?(reader: inout ByteReader) {
        guard let number = reader.integer(UInt16.self), let serial = reader.integer(UInt32.self),
            let flags = reader.integer(UInt8.self), let term = reader.integer(UInt64.self),
            let applied = reader.integer(UInt64.self), let points = reader.integer(UInt64.self),
            let bytes = reader.integer(UInt64.self)
        else { return nil }
        self.init(
            group: LogGroup(number: number), serial: serial, isLeader: flags & 1 != 0, isLearner: flags & 2 != 0,
            isLost: flags & 4 != 0, isInstalling: flags & 8 != 0, isConfigurationDurable: flags & 16 != 0,
            isQuarantined: flags & 32 != 0, isDamaged: flags & 64 != 0, term: term, applied: applied, points: points,
            bytes: bytes)
    }
}

extension SnapshotTransfer {
    fileprivate init?(reader: inout ByteReader) {
        guard let number = reader.integer(UInt16.self), let to = reader.integer(UInt64.self),
            let points = reader.integer(UInt64.self), let total = reader.integer(UInt64.self),
            let bytes = reader.integer(UInt64.self)
        else { return nil }
        self.init(
            group: LogGroup(number: number), to: ReplicaID(to), points: points, totalPoints: total, bytes: bytes)
    }
}
