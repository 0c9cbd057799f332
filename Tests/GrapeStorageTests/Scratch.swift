import Foundation
import GrapeStorage

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

/// A small seeded generator, so that a failure can be repeated (SplitMix64, Steele, Lea and Flood 2014).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &self) }
    }
}

/// Keys in number order.
func key(_ number: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(bigEndian: UInt64(number))
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
