/// What can go wrong in operation; everything else is a programmer's error and a failed precondition.
package enum IndexError: Error, Hashable, Sendable, CustomStringConvertible {
    /// All ordinals that an index can number are taken.
    case full(ordinals: Int)
    /// The system gave no memory.
    case outOfMemory(bytes: Int)

    package var description: String {
        switch self {
        case .full(let ordinals): "the index is full: all \(ordinals) ordinals are taken"
        case .outOfMemory(let bytes): "the system refused \(bytes) bytes of memory for the index"
        }
    }
}
