import GrapeModel

/// A group at an index, verified and ready to be switched to: rows of a shard lie under a generation of their own, the
/// catalog is here as a value, since it is small and its rows have no generations.
package struct GroupImage: Sendable {
    package let group: LogGroup
    /// What the group's state is to be.
    package let state: GroupState
    /// Rows of the family `state` that end with the switch.
    package let finishedKeys: [[UInt8]]
    package let catalog: CatalogState?
}
