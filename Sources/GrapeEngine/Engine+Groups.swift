import GrapeModel
import GrapeStorage

/// Which groups this node has replicas of.
extension Engine {
    /// The state of a replica that begins on this node: its rows go into a generation of their own.
    package func newGroupState(
        _ group: LogGroup, applied: LogIndex, term: UInt64, configuration: [UInt8]
    ) -> GroupState {
        var state = GroupState()
        state.applied = applied
        state.appliedTerm = term
        state.configuration = configuration
        return state
    }
}
extension Engine {
    package func release(_ group: LogGroup) throws(GrapeError) {}
    package func adopt(_ group: LogGroup, _ state: GroupState) throws(GrapeError) { hold([group: state]) }
}
