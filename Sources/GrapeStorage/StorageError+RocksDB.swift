import CRocksDB
import Glibc

// Every error string of RocksDB's C API becomes a `StorageError` here and nowhere else.
extension StorageError {
    /// Runs one C call that reports through an error pointer.
    static func check<Result: ~Copyable>(
        at site: @autoclosure () -> Site, _ body: (inout UnsafeMutablePointer<CChar>?) -> Result
    ) throws(StorageError) -> Result {
        var text: UnsafeMutablePointer<CChar>?
        let result = body(&text)
        if let text { throw taking(text, at: site()) }
        return result
    }

    /// Classifies an error string and frees it.
    static func taking(_ text: UnsafeMutablePointer<CChar>, at site: Site) -> StorageError {
        defer { rocksdb_free(text) }
        return classify(String(cString: text), at: site)
    }

    /// 1. the lock file, 2. space, 3. damage (RocksDB words a missing table or log as an I/O error), 4. misuse, 5. the rest.
    package static func classify(_ text: String, at site: Site) -> StorageError {
        if text.has("lock file") || text.has("lock hold by current process") { return .inUse(path: site.path) }
        if text.has("No space left on device") || text.has("Disk quota exceeded") || text.has("Space limit reached")
            || text.starts(with: "Compaction too large")
        {
            return .noSpace(site, detail: text)
        }
        if text.starts(with: "Corruption") || text.has("No such file or directory") || text.has("Missing WAL") {
            return .corruption(site, file: fileName(in: text), detail: text)
        }
        if text.has("does not exist (create_if_missing is false)") {
            return .notADatabase(path: site.path, detail: "it holds no database")
        }
        if text.starts(with: "Invalid argument") || text.starts(with: "Not implemented") {
            return .invalid(site, detail: text)
        }
        if text.starts(with: "Shutdown in progress") || text.starts(with: "Resource busy") {
            return .stopped(site, detail: text)
        }
        return .io(site, detail: text)
    }

    /// The operating system's last error.
    static func system(_ call: String, at site: Site, code: Int32 = errno) -> StorageError {
        let detail = "\(call): \(String(cString: strerror(code)))"
        return code == ENOSPC || code == EDQUOT ? .noSpace(site, detail: detail) : .io(site, detail: detail)
    }

    /// The database file that a message is about: `000012.sst`, `000009.log`, `MANIFEST-000004` or `CURRENT`. RocksDB adds
    /// the MANIFEST that lists a missing table, so tables and logs come first.
    static func fileName(in text: String) -> String? {
        let separators: Set<Character> = ["/", " ", ":", ",", "'", "\"", "(", ")"]
        let words = text.split(whereSeparator: { separators.contains($0) })
        // RocksDB tries a missing table once more under its older suffix, and reports that.
        if let table = words.first(where: { $0.hasSuffix(".ldb") }) { return table.dropLast(4) + ".sst" }
        let found =
            words.first { $0.hasSuffix(".sst") || $0.hasSuffix(".log") }
            ?? words.first { $0.hasPrefix("MANIFEST-") } ?? words.first { $0 == "CURRENT" }
        return found.map { String($0) }
    }
}

extension String {
    /// Substring search without Foundation.
    fileprivate func has(_ needle: String) -> Bool {
        let hay = Array(utf8)
        let wanted = Array(needle.utf8)
        guard hay.count >= wanted.count else { return false }
        return (0...(hay.count - wanted.count)).contains { hay[$0..<($0 + wanted.count)].elementsEqual(wanted) }
    }
}
