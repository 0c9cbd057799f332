import GrapeRaft

/// A snapshot on its way out. The image is pinned: compaction goes on meanwhile.
struct OutgoingSnapshot {
    var message: Message
    var image: ReplicatedMap
    var received = 0
    var progressTick: Int
    var attempts = 0

    var to: ReplicaID { message.to }
}

/// A snapshot on its way in. Lies in files, so it survives a crash.
struct IncomingSnapshot {
    var index: LogIndex
    var term: Term
    var received: Int
}

/// Snapshots travel in pieces, each acknowledged, and resume where the receiver stands (RAFT.md 20).
extension SimulatedReplica {
    func beginSnapshot(_ message: Message, _ world: inout World) {
        precondition(disk.map.applied == message.snapshot?.index, "the image is of another index than the snapshot")
        world.coverage.count(.snapshotsSent)
        let older = outgoing.count
        outgoing.removeAll { $0.to == message.to }
        world.coverage.count(.snapshotsAborted, older - outgoing.count)
        outgoing.append(OutgoingSnapshot(message: message, image: disk.map, progressTick: ticks))
        sendChunk(outgoing.count - 1, &world)
    }

    private func sendChunk(_ place: Int, _ world: inout World) {
        let snapshot = outgoing[place]
        let chunk = SnapshotChunk(
            message: snapshot.message, image: snapshot.image, number: snapshot.received,
            count: world.options.snapshotChunks)
        world.send(.chunk(chunk), from: position, to: Int(snapshot.to.rawValue) - 1)
    }

    /// Sends again what got no answer, gives up what got none several times, or when this replica leads no more.
    func pushSnapshots(_ world: inout World) throws(Violation) {
        for place in outgoing.indices.reversed() {
            if role == .leader && ticks - outgoing[place].progressTick < 4 { continue }
            if role != .leader || outgoing[place].attempts == 4 {
                let to = outgoing.remove(at: place).to
                world.coverage.count(.snapshotsAborted)
                raft.reportSnapshot(to, succeeded: false)
                try carryOut(&world)
                return
            }
            outgoing[place].attempts += 1
            outgoing[place].progressTick = ticks
            sendChunk(place, &world)
        }
    }

    func receive(_ chunk: SnapshotChunk, _ world: inout World) throws(Violation) {
        guard let snapshot = chunk.message.snapshot else { preconditionFailure("a chunk of no snapshot") }
        var receipt = SnapshotReceipt(from: id, index: snapshot.index, received: chunk.count)
        if snapshot.index > max(map.applied, restoredIndex) {
            if incoming?.index != snapshot.index || incoming?.term != snapshot.term {
                if incoming != nil { world.coverage.count(.snapshotsAborted) }
                incoming = IncomingSnapshot(index: snapshot.index, term: snapshot.term, received: 0)
            }
            let received = incoming?.received ?? 0
            if chunk.number == 0 && received > 0 { world.coverage.count(.snapshotsResumed) }
            receipt.received = chunk.number == received ? received + 1 : received
            incoming?.received = receipt.received
            if receipt.received == chunk.count {
                incoming = nil
                stagedImage = chunk.image
                try step(chunk.message, &world)
                try carryOut(&world)
            }
        }
        world.send(.chunkReceived(receipt), from: position, to: Int(chunk.message.from.rawValue) - 1)
    }

    func receive(_ receipt: SnapshotReceipt, _ world: inout World) throws(Violation) {
        guard
            let place = outgoing.firstIndex(where: {
                $0.to == receipt.from && $0.message.snapshot?.index == receipt.index
            })
        else { return }
        if receipt.received >= world.options.snapshotChunks {
            outgoing.remove(at: place)
            raft.reportSnapshot(receipt.from, succeeded: true)
        } else if receipt.received != outgoing[place].received {
            outgoing[place].received = receipt.received
            outgoing[place].progressTick = ticks
            outgoing[place].attempts = 0
            sendChunk(place, &world)
        }
    }
}
