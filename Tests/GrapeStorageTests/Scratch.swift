import GrapeModel
import Foundation
import GrapeStorage
import GrapeTestKit

/// A directory that goes away with its owner.
final class Scratch: Sendable {
    let path: String

    init(_ name: String = "storage", in parent: String = NSTemporaryDirectory()) {
        path = (parent as NSString).appendingPathComponent("grape-\(name)-\(UUID().uuidString)")
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { path + "/" + name }

    var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }

    func names(ending suffix: String) -> [String] { names.filter { $0.hasSuffix(suffix) } }

    func copy(_ name: String) throws -> Scratch {
        let other = Scratch(name)
        try FileManager.default.copyItem(atPath: path, toPath: other.path)
        return other
    }

    func bytes(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: file(name))))
    }

    func write(_ bytes: [UInt8], to name: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: file(name)))
    }

    func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: file(name)) }
}

extension SplitMix64 {
    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &self) }
    }
}

/// Keys in number order.
func key(_ number: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.appendBigEndian(UInt64(number))
    return bytes
}

/// Small limits, so that flushes and compactions happen within a test.
func smallOptions() -> StorageOptions {
    var options = StorageOptions()
    options.cacheBytes = 4 << 20
    options.writeBufferBytes = 256 << 10
    options.maxWriteBuffers = 3
    options.targetFileBytes = 128 << 10
    options.reserveBytes = 0
    return options
}

/// The typed error that `body` throws, or nil.
func storageError<Result: ~Copyable>(_ body: () throws(StorageError) -> Result) -> StorageError? {
    do throws(StorageError) {
        _ = try body()
        return nil
    } catch {
        return error
    }
}
