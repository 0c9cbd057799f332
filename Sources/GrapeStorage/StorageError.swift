/// Everything that can go wrong below the engine.
///
/// Every case names the directory, and the family and key where one was touched; never the contents of a row.
package enum StorageError: Error, Sendable, Equatable {
    /// Where an error happened.
    package struct Site: Sendable, Equatable {
        package let path: String
        package let family: ColumnFamily?
        /// The first bytes of the key, in hex.
        package let keyPrefix: String?

        package init(path: String, family: ColumnFamily? = nil, keyPrefix: String? = nil) {
            self.path = path
            self.family = family
            self.keyPrefix = keyPrefix
        }
    }

    /// Another process, or this one, has the directory open.
    case inUse(path: String)
    /// The directory holds something else, or its CURRENT file is gone.
    case notADatabase(path: String, detail: String)
    /// Written by a newer version of this program.
    case newerFormat(path: String, found: UInt32, supported: UInt32)
    /// Data that fails its checksum, or a file that is missing or too short. `file` is a name inside the directory.
    case corruption(Site, file: String?, detail: String)
    /// The disk is full. Nothing of the write was applied; writes go on after `resume`.
    case noSpace(Site, detail: String)
    /// The operating system refused something else. After a failed sync what was written may or may not last.
    case io(Site, detail: String)
    /// Writes are shut off by an earlier background error; reads go on.
    case stopped(Site, detail: String)
    /// The database was closed.
    case closed(path: String)
    /// `close` gave up waiting for cursors, snapshots, batches or operations.
    case busy(path: String, users: Int)
    /// A caller's mistake, or an option that RocksDB refuses.
    case invalid(Site, detail: String)

    /// Stored data cannot be trusted.
    package var isDamage: Bool {
        if case .corruption = self { true } else { false }
    }

    package var isNoSpace: Bool {
        if case .noSpace = self { true } else { false }
    }

    /// Nothing was written and writes may come back: `Database.checkSpace` says when.
    package var isWriteStop: Bool {
        switch self {
        case .noSpace, .stopped: true
        default: false
        }
    }

    package var path: String { site.path }

    package var site: Site {
        switch self {
        case .inUse(let path), .notADatabase(let path, _), .newerFormat(let path, _, _), .closed(let path),
            .busy(let path, _):
            Site(path: path)
        case .corruption(let site, _, _), .noSpace(let site, _), .io(let site, _), .stopped(let site, _),
            .invalid(let site, _):
            site
        }
    }
}

extension StorageError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .inUse(let path): "\(path): the data directory is in use by another process"
        case .notADatabase(let path, let detail): "\(path): not a Grape data directory: \(detail)"
        case .newerFormat(let path, let found, let supported):
            "\(path): written in format \(found), this version reads formats up to \(supported)"
        case .corruption(let site, let file, let detail):
            "\(site): damaged data\(file.map { " in file \($0)" } ?? ""): \(detail)"
        case .noSpace(let site, let detail): "\(site): no space left on the disk: \(detail)"
        case .io(let site, let detail): "\(site): input/output error: \(detail)"
        case .stopped(let site, let detail): "\(site): writes are stopped: \(detail)"
        case .closed(let path): "\(path): the database is closed"
        case .busy(let path, let users):
            "\(path): cannot close, \(users) cursors, snapshots, batches or operations live"
        case .invalid(let site, let detail): "\(site): \(detail)"
        }
    }
}

extension StorageError.Site: CustomStringConvertible {
    package var description: String {
        let family = family.map { ", family \($0.name)" } ?? ""
        let key = keyPrefix.map { ", key \($0)" } ?? ""
        return path + family + key
    }

    /// Names the row under `key`.
    package init(path: String, family: ColumnFamily, key: Span<UInt8>) {
        self.init(path: path, family: family, keyPrefix: Self.hex(key))
    }

    private static func hex(_ key: Span<UInt8>) -> String {
        let shownMax = 32
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for index in 0..<min(key.count, shownMax) {
            text.append(digits[Int(key[index] >> 4)])
            text.append(digits[Int(key[index] & 15)])
        }
        let hex = String(decoding: text, as: UTF8.self)
        return key.count > shownMax ? hex + "…" : hex
    }
}
