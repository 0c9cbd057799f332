import GrapeModel
import GrapeStorage

/// Damage that the store meets on any way (a read, a search, apply, an export) belongs to a replica.
extension Engine {
    /// Hears of every damaged row from now on.
    func watchDamage() {
        database.observeDamage { [weak self] family, key, error in self?.noteDamage(family, key, error) }
    }

    private func noteDamage(_ family: ColumnFamily, _ key: [UInt8], _ error: StorageError) {
        guard let (group, generation) = Self.owner(family, key), holds(group) else { return }
        // Rows that do not count, or are still on their way, are somebody else's affair.
        if let generation, generation != self.generation(of: group) { return }
        noteFault(group, "\(error)")
    }

    private func holds(_ group: LogGroup) -> Bool { serving.withLock { $0.groups[group] != nil } }

    /// Whose row it is, and of which generation where the key tells. Chunks of index checkpoints are nobody's: they are made
    /// anew from rows.
    static func owner(_ family: ColumnFamily, _ key: [UInt8]) -> (LogGroup, ReplicaGeneration?)? {
        func group(at offset: Int) -> LogGroup? {
            guard key.count >= offset + 2 else { return nil }
            let number = UInt16(bigEndianBytes: key[offset..<offset + 2])
            return number == .max ? .catalog : .shard(ShardID(number))
        }
        func generation(at offset: Int) -> ReplicaGeneration? {
            key.count >= offset + 4 ? ReplicaGeneration(UInt32(bigEndianBytes: key[offset..<offset + 4])) : nil
        }
        switch family {
        case .vectors, .payloads: return group(at: 0).map { ($0, generation(at: 2)) }
        case .log: return group(at: 0).map { ($0, nil) }
        case .catalog: return (.catalog, nil)
        case .indexCheckpoints: return nil
        case .state:
            switch key.first {
            case 0x01, 0x05, 0x06, 0x0a: return group(at: 1).map { ($0, nil) }
            case 0x02, 0x03, 0x04, 0x07, 0x08: return group(at: 1).map { ($0, generation(at: 3)) }
            default: return nil
            }
        }
    }
}
