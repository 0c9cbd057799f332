import GrapeIndex
import GrapeModel

/// What the indexes of a collection must hear of a change that is in the store.
enum IndexChange: Sendable {
    /// `form` and `payload`, in canonical JSON, are nil where the row is to be asked for them.
    case put(
        CollectionID, id: [UInt8], form: WrittenID.Form?, version: LogIndex, shard: ShardID, vectorBlock: [UInt8],
        payload: [UInt8]?)
    case remove(CollectionID, id: [UInt8])

    var collection: CollectionID {
        switch self {
        case .put(let collection, _, _, _, _, _, _), .remove(let collection, _): collection
        }
    }

    /// Makes all changes visible at once: to a search that pins before, none of them happened; to one that pins after,
    /// all. Changes of collections that are not served any more are passed over.
    static func publish(
        _ changes: [IndexChange], collections: [CollectionID: Collection], clock: VisibilityClock
    ) throws(IndexError) {
        var steps: [Step] = []
        steps.reserveCapacity(changes.count)
        do throws(IndexError) {
            try prepare(changes, collections: collections, into: &steps)
        } catch {
            for step in steps { step.discard() }
            throw error
        }
        clock.publish { stamp in
            for step in steps { step.take(at: stamp) }
        }
    }

    private static func prepare(
        _ changes: [IndexChange], collections: [CollectionID: Collection], into steps: inout [Step]
    ) throws(IndexError) {
        var scratch = JSONDocument()
        for change in changes {
            switch change {
            case .put(let collection, let id, let form, let version, let shard, let block, let payload):
                guard let collection = collections[collection] else { continue }
                let vectors = VectorBlock.decode(block.span) ?? []
                for (position, index) in collection.indexes.enumerated() {
                    guard let vector = vectors.first(where: { Int($0.position) == position }) else {
                        steps.append(.kill(index, id))
                        continue
                    }
                    let ordinal = try index.stage(
                        key: id.span, version: version.rawValue, shard: shard.rawValue, vector: vector.values.span,
                        tag: form?.tag ?? 0)
                    steps.append(.birth(index, ordinal))
                    collection.fields[position].note(ordinal, payload: payload, scratch: &scratch)
                }
            case .remove(let collection, let id):
                guard let collection = collections[collection] else { continue }
                for index in collection.indexes { steps.append(.kill(index, id)) }
            }
        }
    }

    /// One change of one index, prepared as far as it can be before it is visible.
    private enum Step {
        case birth(CollectionIndex, Ordinal)
        case kill(CollectionIndex, [UInt8])

        func take(at stamp: Stamp) {
            switch self {
            case .birth(let index, let ordinal): index.birth(ordinal, at: stamp)
            case .kill(let index, let id): _ = index.kill(key: id.span, at: stamp)
            }
        }

        func discard() {
            if case .birth(let index, let ordinal) = self { index.discard(ordinal) }
        }
    }
}
