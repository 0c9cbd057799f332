/// The answer to one read round: a read tagged with `context` is linearizable once `index` is applied.
package struct ReadState: Sendable, Hashable {
    package var index: LogIndex
    package var context: ReadContext

    package init(index: LogIndex, context: ReadContext) {
        self.index = index
        self.context = context
    }
}

/// The work a replica asks for. Every `Ready` taken must be carried out.
///
/// With asynchronous storage writes (production):
/// 1. Messages to other replicas may leave at once, before anything in this `Ready` is durable.
/// 2. The message to `.appendThread`, if any, says what to persist: `hardState`, `snapshot` (first) and `entries`
///    (cutting whatever suffix they replace, in the same batch). When all of it is durable, and not before, each of its
///    `responses` is delivered: those to this replica by `step`, the others over the network. A message without
///    responses needs no sync.
/// 3. The message to `.applyThread`, if any, holds committed entries in order. When they are applied its responses
///    are delivered. Configuration changes among them go through `applyConfChange` first.
/// 4. Messages to one thread are worked off in order; the two threads do not wait for each other.
///
/// Without them (transcripts, simple tests): persist `hardState`, `snapshot` and `entries`; then send `messages`; then
/// apply `committedEntries`; then call `advance()`.
package struct Ready: Sendable {
    /// Nil when neither leader nor role changed since the last `Ready`.
    package var softState: SoftState?
    /// Nil when unchanged since the last `Ready`.
    package var hardState: HardState?
    package var readStates: [ReadState]
    package var entries: [Entry]
    package var snapshot: Snapshot?
    package var committedEntries: [Entry]
    package var messages: [Message]
    /// Whether what is to be persisted needs a sync: false when only the commit index moved.
    package var mustSync: Bool
}
