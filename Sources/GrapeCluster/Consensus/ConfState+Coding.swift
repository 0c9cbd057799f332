import GrapeModel
import GrapeRaft

// A configuration in bytes, as group states, snapshots and founding messages carry it: four lists of replica ids (count
// 16 bits, ids 64 bits; voters, outgoing voters, learners, next learners), then whether it leaves by itself (8 bits).
extension ConfState {
    package var encoded: [UInt8] {
        var bytes: [UInt8] = []
        for list in [voters, votersOutgoing, learners, learnersNext] {
            bytes.appendLittleEndian(UInt16(list.count))
            for replica in list { bytes.appendLittleEndian(replica.rawValue) }
        }
        bytes.append(autoLeave ? 1 : 0)
        return bytes
    }

    /// nil where the bytes are no configuration.
    package init?(encoded bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        var lists: [[ReplicaID]] = []
        for _ in 0..<4 {
            guard let count = reader.integer(UInt16.self), Int(count) <= GrapeRaft.Limits.replicasMax else {
                return nil
            }
            var list: [ReplicaID] = []
            for _ in 0..<count {
                guard let id = reader.integer(UInt64.self) else { return nil }
                list.append(ReplicaID(id))
            }
            lists.append(list)
        }
        guard let autoLeave = reader.integer(UInt8.self), autoLeave <= 1, reader.isAtEnd else { return nil }
        self.init(
            voters: lists[0], votersOutgoing: lists[1], learners: lists[2], learnersNext: lists[3],
            autoLeave: autoLeave == 1)
    }
}

/// A configuration as bytes, for whoever only has to count votes: a round of reads brings many of them.
package struct EncodedConfState: Sendable, Hashable {
    package let bytes: [UInt8]

    package init(bytes: [UInt8]) { self.bytes = bytes }

    package init(_ configuration: ConfState) { bytes = configuration.encoded }

    /// Whether a majority of the voters says so, and where a joint change is under way one of the outgoing voters too. false
    /// where the bytes are no configuration.
    package func hasMajority(where says: (ReplicaID) -> Bool) -> Bool {
        var reader = ByteReader(bytes)
        guard let (voters, agreeing) = Self.count(&reader, says), agreeing > voters / 2,
            let (outgoing, agreeingOutgoing) = Self.count(&reader, says)
        else { return false }
        return outgoing == 0 || agreeingOutgoing > outgoing / 2
    }

    private static func count(
        _ reader: inout ByteReader, _ says: (ReplicaID) -> Bool
    ) -> (voters: Int, agreeing: Int)? {
        guard let voters = reader.integer(UInt16.self) else { return nil }
        var agreeing = 0
        for _ in 0..<voters {
            guard let id = reader.integer(UInt64.self) else { return nil }
            if says(ReplicaID(id)) { agreeing += 1 }
        }
        return (Int(voters), agreeing)
    }
}
