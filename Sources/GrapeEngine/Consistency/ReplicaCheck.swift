import GrapeModel

/// What one replica says to a consistency check of its shard.
package struct ReplicaCheck: Sendable, Hashable {
    /// The entry at which it was looked at.
    package var index: LogIndex
    /// What entries have made of the running digests up to there.
    package var running: ShardDigest
    /// nil where the check is not deep.
    package var disk: DiskCheck?
    /// Damage of the replica's rows or log that this node knows of, from whatever.
    package var fault: String?

    package init(index: LogIndex, running: ShardDigest, disk: DiskCheck? = nil, fault: String? = nil) {
        self.index = index
        self.running = running
        self.disk = disk
        self.fault = fault
    }
}

/// How far the reading of all rows of a replica has come.
package enum DiskCheck: Sendable, Hashable {
    /// So many points were read.
    case reading(points: UInt64)
    /// The rows as they are on the disk, and how many points the indexes had otherwise than they, which was put right.
    case read(ShardDigest, indexDifferences: UInt32)
    /// The rows can't be read, or are not what they say of themselves.
    case damaged(String)
    /// It was given up: the node stops, or the replica went.
    case ended
}

extension ReplicaCheck {
    /// Index (64 bits), digest, state of the reading (8: 0 none, 1 reading, 2 read, 3 damaged, 4 ended) and what it says,
    /// the known fault as text (empty: none).
    package func encode(into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(index.rawValue)
        running.encode(into: &bytes)
        switch disk {
        case nil: bytes.append(0)
        case .reading(let points):
            bytes.append(1)
            bytes.appendLittleEndian(points)
        case .read(let digest, let differences):
            bytes.append(2)
            digest.encode(into: &bytes)
            bytes.appendLittleEndian(differences)
        case .damaged(let detail):
            bytes.append(3)
            bytes.appendSized(detail.utf8)
        case .ended: bytes.append(4)
        }
        bytes.appendSized((fault ?? "").utf8)
    }

    package init?(reader: inout ByteReader) {
        guard let index = reader.integer(UInt64.self), let running = ShardDigest(reader: &reader),
            let kind = reader.integer(UInt8.self), kind <= 4
        else { return nil }
        var disk: DiskCheck?
        if kind > 0 {
            guard let found = DiskCheck(kind: kind, reader: &reader) else { return nil }
            disk = found
        }
        guard let fault = reader.text() else { return nil }
        self.init(index: LogIndex(index), running: running, disk: disk, fault: fault.isEmpty ? nil : fault)
    }
}

extension DiskCheck {
    fileprivate init?(kind: UInt8, reader: inout ByteReader) {
        switch kind {
        case 1:
            guard let points = reader.integer(UInt64.self) else { return nil }
            self = .reading(points: points)
        case 2:
            guard let digest = ShardDigest(reader: &reader), let differences = reader.integer(UInt32.self) else {
                return nil
            }
            self = .read(digest, indexDifferences: differences)
        case 3:
            guard let detail = reader.text() else { return nil }
            self = .damaged(detail)
        case 4: self = .ended
        default: return nil
        }
    }
}
