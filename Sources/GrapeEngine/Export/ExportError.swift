import GrapeModel
import GrapeStorage

/// Why an export was not written, or not read.
package enum ExportError: Error, Sendable, Equatable, CustomStringConvertible {
    case storage(StorageError)
    /// The bytes contradict their checksums, their form or each other.
    case damaged(ExportPlace, String)
    /// Written by a later build, in a form that this one does not know.
    case newer(version: UInt16)
    /// Sound, but not what is wanted here: another cluster's, another group's.
    case unwanted(String)
    /// The rows that were read are not those that the state beside them speaks of.
    case changed(String)
    /// The export was closed.
    case closed

    package var description: String {
        switch self {
        case .storage(let error): "\(error)"
        case .damaged(let place, let detail): "the export is damaged in \(place): \(detail)"
        case .newer(let version): "the export has format \(version), this build knows \(ExportHeader.version)"
        case .unwanted(let detail): detail
        case .changed(let detail): "rows changed while they were exported: \(detail)"
        case .closed: "the export was closed"
        }
    }
}

/// Where in an export something is wrong.
package enum ExportPlace: Sendable, Equatable, CustomStringConvertible {
    case header
    /// Block and record by number, from 0; without a record: the block as a whole.
    case block(UInt32, record: Int?)
    case footer
    /// Behind the last byte that came.
    case end

    package var description: String {
        switch self {
        case .header: "its header"
        case .block(let number, let record?): "block \(number), record \(record)"
        case .block(let number, nil): "block \(number)"
        case .footer: "its footer"
        case .end: "its end"
        }
    }
}
