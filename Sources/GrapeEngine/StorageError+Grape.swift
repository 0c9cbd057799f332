import GrapeIndex
import GrapeModel
import GrapeStorage

extension StorageError {
    /// A row whose checksum is right but whose form is none that this build writes.
    package static func damagedRow(path: String, family: ColumnFamily, key: [UInt8]) -> StorageError {
        .corruption(
            Site(path: path, family: family, key: key.span), file: nil,
            detail: "the row has no form that this build knows")
    }
}

extension GrapeError {
    /// What a user sees of a failure of the store.
    package init(_ error: StorageError) {
        switch error {
        case .inUse: self.init(.directoryInUse, "\(error)")
        case .notADatabase, .newerFormat, .invalid: self.init(.cannotStart, "\(error)")
        case .corruption: self.init(.damaged, "\(error)")
        case .noSpace, .stopped: self.init(.diskFull, "\(error)", retryAfterSeconds: 5)
        case .io: self.init(.internalError, "\(error)")
        case .closed, .busy: self.init(.unavailable, "the node is shutting down", retryAfterSeconds: 5)
        }
    }

    init(_ error: IndexError) {
        self.init(.memoryLimit, "\(error)")
    }
}

/// Runs store work where users' errors are thrown.
func storing<Result: ~Copyable>(
    _ body: () throws(StorageError) -> Result
) throws(GrapeError) -> Result {
    do {
        return try body()
    } catch {
        throw GrapeError(error)
    }
}

extension GrapeError {
    /// What a user sees where an entry can't be applied.
    package init(_ error: ApplyError) {
        switch error {
        case .storage(let error): self.init(error)
        case .index(let error): self.init(error)
        case .unknownEntry(let group, let index):
            self.init(
                .cannotStart,
                "entry \(index) of log \(group.number) is none that this build knows: it was written by a newer one")
        case .gap(let group, let applied, let next):
            self.init(
                .damaged, "log \(group.number) goes on at entry \(next), but entries up to \(applied) are applied")
        }
    }
}
