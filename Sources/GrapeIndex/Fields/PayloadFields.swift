import GrapeModel
import Synchronization

/// The payload fields of one index's points that filters have asked about, as columns in memory: a search under a filter
/// then reads no payload but those of its results.
///
/// A field becomes a column when a filter first asks about it. It counts as complete when every point that a search can
/// be shown has its number; until then filters ask the rows. A point's payload is constant: whoever changes it puts
/// the point anew, with an ordinal of its own.
///
/// Thread safety: guarded by `state`; `filling` is held by the one thread that fills.
///  1. A point gets its numbers between being staged and its birth, from whoever puts it, in every field that is listed
///     then. Points staged before a field was listed are found by the fill, which waits for their birth.
///  2. A field that is complete for a pin knows all points that the pin shows: `completeAt` is not after the pin, and
///     what is born later has its numbers by 1.
package final class PayloadFields: Sendable {
    private struct Entry {
        let field: PayloadField
        /// The fill has come so far.
        var next: UInt32 = 0
        /// Points without a number behind that: not visible yet, or their rows are about to change.
        var pending: [Ordinal] = []
        var completeAt: Stamp?
    }

    private struct State {
        var entries: [[UInt8]: Entry] = [:]
        /// Fields with too many values.
        var refused: Set<[UInt8]> = []
        var lists: [Filter: MatchList] = [:]
    }

    /// A filter in numbers, with what is kept for it.
    package struct Compiled {
        package var match: OrdinalMatch
        package let list: MatchList
        package let mark: JournalMark
    }

    package let index: CollectionIndex
    private let state = Mutex(State())
    private let filling = Mutex<Void>(())

    package init(index: CollectionIndex) {
        self.index = index
    }

    /// Whether there is anything for `fill` to do.
    package var isIncomplete: Bool {
        state.withLock { $0.entries.values.contains { $0.completeAt == nil } }
    }

    /// Bytes of the columns and their values.
    package var bytes: Int {
        let fields = state.withLock { $0.entries.values.map(\.field) }
        return fields.reduce(0) { $0 + $1.bytes + index.arena.highWater * MemoryLayout<UInt32>.stride }
    }
}

// MARK: - Asking

extension PayloadFields {
    /// The filter in numbers; nil where rows have to be asked: it asks for ids, or for a field that is not complete or
    /// has too many values. Fields that are new here are listed, for `fill`.
    package func compile(_ filter: Filter, pin: VisibilityPin) -> Compiled? {
        guard let keys = FilterCompiler.keys(of: filter) else { return nil }
        // Before the values are looked at: what comes later may have new ones.
        let mark = index.journalMark
        let found = state.withLock { state -> (fields: [[UInt8]: PayloadField], list: MatchList)? in
            guard keys.isDisjoint(with: state.refused) else { return nil }
            var fields: [[UInt8]: PayloadField] = [:]
            for key in keys {
                let entry = state.entries[key] ?? Self.list(key, in: &state)
                if let completeAt = entry?.completeAt, completeAt <= pin.stamp { fields[key] = entry?.field }
            }
            guard fields.count == keys.count else { return nil }
            return (fields, Self.matchList(of: filter, in: &state))
        }
        guard let found, let match = FilterCompiler.match(filter, fields: found.fields) else { return nil }
        return Compiled(match: match, list: found.list, mark: mark)
    }

    private static func list(_ key: [UInt8], in state: inout State) -> Entry? {
        guard state.entries.count < IndexLimits.fieldsMax, let field = try? PayloadField(key: key) else { return nil }
        state.entries[key] = Entry(field: field)
        return state.entries[key]
    }

    private static func matchList(of filter: Filter, in state: inout State) -> MatchList {
        if let list = state.lists[filter] { return list }
        if state.lists.count >= IndexLimits.matchListsMax { state.lists = [:] }
        let list = MatchList()
        state.lists[filter] = list
        return list
    }
}

// MARK: - Filling

extension PayloadFields {
    /// Notes the payload of a staged point, before its birth; nil: it is to be read from its row.
    package func note(_ ordinal: Ordinal, payload: [UInt8]?, scratch: inout JSONDocument) {
        let fields = state.withLock { $0.entries.values.map(\.field) }
        guard !fields.isEmpty else { return }
        if let payload, (try? scratch.reparse(payload)) != nil {
            for field in fields { set(field, ordinal, from: scratch) }
            index.noteCodes(of: [ordinal])
        } else {
            // The ordinal may have had another point before.
            for field in fields { try? field.column.set(ordinal, to: OrdinalColumn.unknown) }
            state.withLock { state in
                for key in state.entries.keys {
                    state.entries[key]?.pending.append(ordinal)
                    state.entries[key]?.completeAt = nil
                }
            }
        }
    }

    private func set(_ field: PayloadField, _ ordinal: Ordinal, from payload: JSONDocument) {
        do {
            try field.set(ordinal, from: payload)
        } catch {
            // No memory, or too many values.
            refuse(field)
        }
    }

    private func refuse(_ field: PayloadField) {
        state.withLock { state in
            state.entries[field.key] = nil
            state.refused.insert(field.key)
        }
    }

    /// Looks at up to `max` points of a field that is not complete. One thread at a time; others return at once.
    ///
    /// - Parameter payloads: of points that a pin shows and that are pinned meanwhile; nil for one whose row is not
    ///   of the version that the index has. If it throws, the field stays with the rows.
    /// - Returns: whether it has come further.
    package func fill<Failure: Error>(
        max: Int, payloads: ([Ordinal]) throws(Failure) -> [[UInt8]?]
    ) throws(Failure) -> Bool {
        let result = filling.withLockIfAvailable { _ -> Result<Bool, Failure> in
            do throws(Failure) { return .success(try step(max: max, payloads)) } catch { return .failure(error) }
        }
        return try result?.get() ?? false
    }

    private func step<Failure: Error>(
        max: Int, _ payloads: ([Ordinal]) throws(Failure) -> [[UInt8]?]
    ) throws(Failure) -> Bool {
        guard let entry = state.withLock({ $0.entries.values.first { $0.completeAt == nil } }) else { return false }
        let field = entry.field
        let pin = index.clock.pin()
        var next = entry.next
        let found = index.pointsUnknown(to: field.column, from: &next, max: max)
        let waiting = found ?? Array(entry.pending.prefix(max)).filter { index.isUnknown($0, to: field.column) }
        let taken = found == nil ? min(max, entry.pending.count) : 0
        let visible = waiting.filter { index.isVisible($0, to: pin) }
        var left = waiting.filter { !index.isVisible($0, to: pin) }
        let rows: [[UInt8]?]
        do throws(Failure) {
            rows = try payloads(visible)
        } catch {
            refuse(field)
            throw error
        }
        var scratch = JSONDocument()
        for (ordinal, payload) in zip(visible, rows) {
            if let payload, (try? scratch.reparse(payload)) != nil {
                set(field, ordinal, from: scratch)
            } else {
                left.append(ordinal)
            }
        }
        withExtendedLifetime(pin) {}
        return advance(field, to: next, taken: taken, left: left, isAtEnd: found == nil)
    }

    private func advance(
        _ field: PayloadField, to next: UInt32, taken: Int, left: [Ordinal], isAtEnd: Bool
    ) -> Bool {
        // A point that somebody is ending right now was left out, and a pin may show it still: not one of this stamp.
        let stamp = isAtEnd ? index.clock.publish { $0 } : nil
        let isComplete = state.withLock { state in
            // Refused meanwhile: there is nothing left to do.
            guard var entry = state.entries[field.key] else { return true }
            entry.next = next
            entry.pending.removeFirst(taken)
            entry.pending += left
            if isAtEnd, entry.pending.isEmpty { entry.completeAt = stamp }
            state.entries[field.key] = entry
            return entry.completeAt != nil
        }
        if isComplete { index.renewMatchLists() }
        return isComplete || !isAtEnd || left.count < taken
    }
}
