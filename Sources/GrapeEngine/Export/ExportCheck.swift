import GrapeModel
import GrapeStorage

/// What has come of an export so far, held against what its header promises. Writer, reader and importer run every block
/// through it, so none of them believes another. A value: an import keeps it beside the rows and goes on from there.
///
/// 1. Points come first, ascending by collection and id; then the other rows, ascending by kind and key. So nothing can
///    come twice, and what is missing shows at the next collection or in the footer.
/// 2. Every point's hash is computed anew, and the sums by collection are those of the header.
struct ExportCheck: Sendable, Equatable {
    private static let format: UInt8 = 1

    /// Number of the next block.
    private(set) var next: UInt32 = 0
    private(set) var chain: UInt64
    private(set) var points: UInt64 = 0
    private(set) var isFinished = false
    private var rows: UInt64 = 0
    private var rowSum: UInt64 = 0
    /// The collection whose points come, among the header's.
    private var place: UInt32 = 0
    private var digest = RowDigest()
    private var lastID: [UInt8] = []
    private var lastRow: [UInt8] = []

    init(_ header: [UInt8]) { chain = XXH64.hash(header) }

    /// Sum of the hashes of all points that the header announces and of the other rows that came.
    func digest(_ header: ExportHeader) -> UInt64 { header.digests.reduce(rowSum) { $0 &+ $1.digest.sum } }

    // MARK: Blocks

    /// Opens the next block and takes what it holds. Nothing is changed where it throws.
    /// -> its records; nil where it was the footer, and all is as the header said.
    mutating func take(_ bytes: [UInt8], of header: ExportHeader) throws(ExportError) -> [ExportRecord]? {
        guard !isFinished else { throw .damaged(.end, "something stands behind the footer") }
        let block = try ExportBlock(bytes.span, expecting: next, chain: chain)
        guard block.kind == .records else {
            try finish(block.raw, header)
            return nil
        }
        var checked = self
        var records: [ExportRecord] = []
        var offset = 0
        while offset < block.raw.count {
            let place = ExportPlace.block(next, record: records.count)
            guard let record = ExportRecord.read(block.raw.span, at: &offset) else {
                throw .damaged(place, "no form that this build knows")
            }
            if let fault = checked.take(record, header) { throw .damaged(place, fault) }
            records.append(record)
        }
        checked.next += 1
        checked.chain = block.chain
        self = checked
        return records
    }

    /// Takes a record of one's own. -> what is wrong with it.
    mutating func take(_ record: ExportRecord, _ header: ExportHeader) -> String? {
        switch record {
        case .point(let point): take(point, header)
        case .row(let row): take(row, header)
        }
    }

    /// A block of one's own has been sealed.
    mutating func sealed(_ block: [UInt8]) {
        next += 1
        chain = ExportBlock.chain(chain, block.span)
    }

    // MARK: Records

    private mutating func take(_ point: ExportedPoint, _ header: ExportHeader) -> String? {
        guard case .shard(let shard) = header.group else { return "a point in the catalog" }
        guard rows == 0 else { return "a point behind rows of another kind" }
        if let fault = enter(point.collection, header) { return fault }
        guard lastID.isEmpty || lastID.lexicographicallyPrecedes(point.id) else { return "a point out of order" }
        guard ShardHash.shard(of: point.id, in: point.collection, count: Int(header.shardCount)) == shard else {
            return "a point of another shard"
        }
        guard point.row.version <= header.index, point.row.vectorVersion <= point.row.version else {
            return "version \(point.row.version), in an export of entry \(header.index)"
        }
        let hash = RowDigest.hash(
            id: point.id, form: point.row.form, vectorVersion: point.row.vectorVersion, version: point.row.version,
            vectorBlock: point.vectorBlock, payload: point.row.payload.json)
        guard hash == point.row.hash else { return "the point's hash differs" }
        guard digest.points < header.digests[Int(place)].digest.points else { return "more points than were announced" }
        digest.add(hash)
        points += 1
        lastID = point.id
        return nil
    }

    /// Moves on to a collection.
    private mutating func enter(_ collection: CollectionID, _ header: ExportHeader) -> String? {
        while Int(place) < header.digests.count, header.digests[Int(place)].collection < collection {
            if let fault = leave(header) { return fault }
        }
        guard Int(place) < header.digests.count, header.digests[Int(place)].collection == collection else {
            return "a point of collection \(collection), which was not announced"
        }
        return nil
    }

    /// Ends a collection.
    private mutating func leave(_ header: ExportHeader) -> String? {
        let announced = header.digests[Int(place)]
        guard digest == announced.digest else {
            return "collection \(announced.collection) has \(digest.points) points with sum \(digest.sum), "
                + "\(announced.digest.points) with sum \(announced.digest.sum) were announced"
        }
        place += 1
        digest = RowDigest()
        lastID = []
        return nil
    }

    private mutating func take(_ row: ExportedRow, _ header: ExportHeader) -> String? {
        guard (row.kind == .catalog) == (header.group == .catalog) else { return "a row of another group's kind" }
        while Int(place) < header.digests.count {
            if let fault = leave(header) { return fault }
        }
        guard lastRow.isEmpty || lastRow.lexicographicallyPrecedes(row.position) else { return "a row out of order" }
        rows += 1
        rowSum &+= row.hash
        lastRow = row.position
        return nil
    }

    // MARK: Footer

    /// Ends one's own export. -> the footer block.
    mutating func end(_ header: ExportHeader) throws(ExportError) -> [UInt8] {
        try complete(header)
        let block = ExportBlock.seal(footer, number: next, kind: .footer)
        isFinished = true
        sealed(block)
        return block
    }

    private mutating func finish(_ raw: [UInt8], _ header: ExportHeader) throws(ExportError) {
        var checked = self
        try checked.complete(header)
        guard raw == checked.footer else { throw .damaged(.footer, "its counts are not those of what came") }
        checked.isFinished = true
        checked.next += 1
        self = checked
    }

    private mutating func complete(_ header: ExportHeader) throws(ExportError) {
        while Int(place) < header.digests.count {
            if let fault = leave(header) { throw .damaged(.footer, fault) }
        }
    }

    private var footer: [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendLittleEndian(points)
        bytes.appendLittleEndian(rows)
        bytes.appendLittleEndian(rowSum)
        bytes.appendLittleEndian(next)
        bytes.appendLittleEndian(chain)
        return bytes
    }
}

extension ExportCheck {
    /// Format (8 bits), whether it is finished (8), then all numbers in their order, little-endian, last id, last row.
    var encoded: [UInt8] {
        var bytes: [UInt8] = [Self.format, isFinished ? 1 : 0]
        bytes.appendLittleEndian(next)
        bytes.appendLittleEndian(chain)
        bytes.appendLittleEndian(points)
        bytes.appendLittleEndian(rows)
        bytes.appendLittleEndian(rowSum)
        bytes.appendLittleEndian(place)
        bytes.append(contentsOf: digest.encoded)
        bytes.appendSized(lastID)
        bytes.appendSized(lastRow)
        return bytes
    }

    init?(encoded bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard reader.integer(UInt8.self) == Self.format, let isFinished = reader.integer(UInt8.self),
            let next = reader.integer(UInt32.self), let chain = reader.integer(UInt64.self),
            let points = reader.integer(UInt64.self), let rows = reader.integer(UInt64.self),
            let rowSum = reader.integer(UInt64.self), let place = reader.integer(UInt32.self),
            let digest = reader.bytes(16).flatMap({ RowDigest(encoded: Array($0)) }), let id = reader.sized(),
            let row = reader.sized(), reader.isAtEnd
        else { return nil }
        self.next = next
        self.chain = chain
        self.points = points
        self.isFinished = isFinished == 1
        self.rows = rows
        self.rowSum = rowSum
        self.place = place
        self.digest = digest
        lastID = Array(id)
        lastRow = Array(row)
    }
}
