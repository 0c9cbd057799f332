import GrapeIndex
import GrapeModel
import GrapeStorage

extension Engine {
    var hasUnsavedIndexChanges: Bool {
        filledCollections.contains { $0.indexes.contains { $0.hasUnsavedChanges } }
    }

    /// Writes the chunks of every index that changed since its last checkpoint. Nothing is synced: a checkpoint that a
    /// crash loses leaves the one before, and rows decide what of it holds.
    func writeCheckpoints() throws(StorageError) {
        for collection in filledCollections {
            for (position, index) in collection.indexes.enumerated() where index.hasUnsavedChanges {
                try writeCheckpoint(of: index, collection: collection.schema.id, position: position)
            }
        }
    }

    private func writeCheckpoint(
        of index: CollectionIndex, collection: CollectionID, position: Int
    ) throws(StorageError) {
        try index.checkpoint { (chunk, bytes) throws(StorageError) in
            var batch = try database.makeBatch()
            let key = CheckpointKey.key(collection, position: position, chunk: chunk)
            if bytes.isEmpty {
                batch.delete(.indexCheckpoints, key: key)
            } else {
                batch.put(.indexCheckpoints, key: key, value: bytes)
            }
            try database.write(batch)
        }
    }
}
