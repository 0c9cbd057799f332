import Dispatch

/// Where exports are read and imports written: they wait for the disk, which Swift's own threads must not.
enum SnapshotThreads {
    private static let queue = DispatchQueue(label: "grape.snapshots", qos: .utility, attributes: .concurrent)

    static func run<Value: Sendable, Failure: Error>(
        _ body: @escaping @Sendable () throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        let result: Result<Value, Failure> = await withCheckedContinuation { done in
            queue.async { done.resume(returning: Result { () throws(Failure) in try body() }) }
        }
        return try result.get()
    }
}
