import GrapeEngine
import GrapeModel

/// What nodes ask each other about archives. Little-endian; the first byte names the kind.
enum BackupRequest: Sendable, Equatable {
    /// 30: begin a snapshot and keep so many archives (32); to the node that leads the catalog.
    case start(keep: Int)
    /// 31: a snapshot, by id.
    case info(String)
    /// 32: all archives of the node.
    case list
    /// 33: id, then from where on (64) a piece of its archive is wanted.
    case read(String, offset: UInt64)
    /// 34: id, then the number (32) of the node to copy the archive from.
    case fetch(String, from: NodeNumber)
    /// 35: ids of archives that are not to be kept.
    case remove([String])
    /// 36: id of the archive to re-read.
    case verify(String)
    /// 37: group (16) to export, as it is after everything that is committed now.
    case open(LogGroup)
    /// 38: session (64) and number of the block (32).
    case block(UInt64, number: UInt32)

    static let kinds: ClosedRange<UInt8> = 0x30...0x38
    /// Of an archive, in one answer.
    static let pieceBytes = 1 << 20

    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        switch self {
        case .start(let keep):
            bytes.append(0x30)
            bytes.appendLittleEndian(UInt32(keep))
        case .info(let id):
            bytes.append(0x31)
            bytes.appendSized(id.utf8)
        case .list: bytes.append(0x32)
        case .read(let id, let offset):
            bytes.append(0x33)
            bytes.appendSized(id.utf8)
            bytes.appendLittleEndian(offset)
        case .fetch(let id, let node):
            bytes.append(0x34)
            bytes.appendSized(id.utf8)
            bytes.appendLittleEndian(node.rawValue)
        case .remove(let ids):
            bytes.append(0x35)
            for id in ids { bytes.appendSized(id.utf8) }
        case .verify(let id):
            bytes.append(0x36)
            bytes.appendSized(id.utf8)
        case .open(let group):
            bytes.append(0x37)
            bytes.appendLittleEndian(group.number)
        case .block(let session, let number):
            bytes.append(0x38)
            bytes.appendLittleEndian(session)
            bytes.appendLittleEndian(number)
        }
        return bytes
    }

    /// nil where the bytes are no such request. An id that is none never gets further.
    init?(encoded bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard let kind = reader.integer(UInt8.self), let request = Self.read(kind, &reader), reader.isAtEnd else {
            return nil
        }
        self = request
    }

    private static func read(_ kind: UInt8, _ reader: inout ByteReader) -> BackupRequest? {
        func id() -> String? { reader.text().flatMap { BackupManifest.isValid(id: $0) ? $0 : nil } }
        switch kind {
        case 0x30:
            guard let keep = reader.integer(UInt32.self), (1...BackupOptions.keepMax).contains(Int(keep)) else {
                return nil
            }
            return .start(keep: Int(keep))
        case 0x31: return id().map(BackupRequest.info)
        case 0x32: return .list
        case 0x33:
            guard let id = id(), let offset = reader.integer(UInt64.self), offset < 1 << 60 else { return nil }
            return .read(id, offset: offset)
        case 0x34:
            guard let id = id(), let node = reader.integer(UInt32.self) else { return nil }
            return .fetch(id, from: NodeNumber(node))
        case 0x35:
            var ids: [String] = []
            while !reader.isAtEnd {
                guard let id = id() else { return nil }
                ids.append(id)
            }
            return .remove(ids)
        case 0x36: return id().map(BackupRequest.verify)
        case 0x37: return reader.integer(UInt16.self).map { .open(LogGroup(number: $0)) }
        case 0x38:
            guard let session = reader.integer(UInt64.self), let number = reader.integer(UInt32.self) else {
                return nil
            }
            return .block(session, number: number)
        default: return nil
        }
    }
}

/// What they answer. The first byte says which.
enum BackupAnswer: Sendable {
    /// 30: a snapshot (JSON).
    case info(BackupInfo)
    /// 31: snapshots, each with its length.
    case list([BackupInfo])
    /// 32: a piece of an archive, or a block of an export; none behind the end.
    case bytes([UInt8])
    /// 33: session (64) of an export, and its header.
    case opened(UInt64, header: [UInt8])
    /// 34: it is done.
    case done
    /// 35: there is none such.
    case unknown
    /// 36: what re-reading came to.
    case report(BackupReport)
    /// 37: why not.
    case failed(GrapeError)

    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        switch self {
        case .info(let info): bytes = [0x30] + info.encoded
        case .list(let infos):
            bytes.append(0x31)
            for info in infos { bytes.appendSized(info.encoded) }
        case .bytes(let piece): bytes = [0x32] + piece
        case .opened(let session, let header):
            bytes.append(0x33)
            bytes.appendLittleEndian(session)
            bytes += header
        case .done: bytes.append(0x34)
        case .unknown: bytes.append(0x35)
        case .report(let report): bytes = [0x36] + report.encoded
        case .failed(let error):
            bytes.append(0x37)
            error.encode(into: &bytes)
        }
        return bytes
    }

    init?(encoded bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard let kind = reader.integer(UInt8.self) else { return nil }
        switch kind {
        case 0x30:
            guard let info = try? BackupInfo(encoded: Array(bytes.dropFirst())) else { return nil }
            self = .info(info)
        case 0x31:
            var infos: [BackupInfo] = []
            while !reader.isAtEnd {
                guard let info = reader.sized().flatMap({ try? BackupInfo(encoded: Array($0)) }) else { return nil }
                infos.append(info)
            }
            self = .list(infos)
        case 0x32: self = .bytes(Array(bytes.dropFirst()))
        case 0x33:
            guard let session = reader.integer(UInt64.self) else { return nil }
            self = .opened(session, header: Array(bytes.dropFirst(9)))
        case 0x34: self = .done
        case 0x35: self = .unknown
        case 0x36:
            guard let report = BackupReport(reader: &reader) else { return nil }
            self = .report(report)
        case 0x37:
            guard let error = GrapeError(reader: &reader) else { return nil }
            self = .failed(error)
        default: return nil
        }
    }
}
