import GrapeModel
import GrapeRaft

/// Replica ids say where the replica lives: node number in the upper half, below it a serial number that the catalog
/// gives out once.
extension ReplicaID {
    package init(node: NodeNumber, serial: UInt32) {
        self.init(UInt64(node.rawValue) << 32 | UInt64(serial))
    }

    package var node: NodeNumber { NodeNumber(UInt32(truncatingIfNeeded: rawValue >> 32)) }
    package var serial: UInt32 { UInt32(truncatingIfNeeded: rawValue) }
}
