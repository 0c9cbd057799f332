import GrapeIndex
import GrapeModel

/// A collection as this node serves it: its schema and one index for each of its named vectors, each over all points
/// that the node's replicas hold (DESIGN D2).
package final class Collection: Sendable {
    package let schema: CollectionSchema
    /// One for each of the schema's vectors, in their order.
    package let indexes: [CollectionIndex]
    /// Payload fields that filters ask about, of each index.
    package let fields: [PayloadFields]

    package init(schema: CollectionSchema, indexes: [CollectionIndex]) {
        precondition(indexes.count == schema.vectors.count, "one index a named vector")
        self.schema = schema
        self.indexes = indexes
        fields = indexes.map { PayloadFields(index: $0) }
    }

    /// A collection without points.
    convenience init(schema: CollectionSchema, clock: VisibilityClock) throws(IndexError) {
        var indexes: [CollectionIndex] = []
        for (position, vector) in schema.vectors.enumerated() {
            indexes.append(
                try CollectionIndex(parameters: vector.indexParameters(schema.id, position: position), clock: clock))
        }
        self.init(schema: schema, indexes: indexes)
    }
}

extension VectorSchema {
    /// The seed depends on the collection and the name only, so levels and rotations survive a restart.
    func indexParameters(_ collection: CollectionID, position: Int) -> IndexParameters {
        IndexParameters(
            dimension: dimension, metric: metric, m: m, efConstruction: efConstruction,
            quantization: quantization == .binary ? .binary : .none,
            seed: collection.rawValue << 16 | UInt64(position))
    }
}
