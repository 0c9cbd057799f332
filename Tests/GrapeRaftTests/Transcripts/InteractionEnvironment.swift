import GrapeRaft

/// A group of replicas driven by the commands of a transcript, and what it says meanwhile.
struct InteractionEnvironment {
    /// A replica with its disk, and what its two storage threads have still to do.
    final class Node {
        let storage: TranscriptStorage
        let configuration: RaftConfiguration
        var raft: Raft<TranscriptStorage>
        var appendWork: [Message] = []
        var applyWork: [Message] = []

        init(_ configuration: RaftConfiguration, storage: TranscriptStorage) throws(RaftError) {
            self.storage = storage
            self.configuration = configuration
            raft = try Raft(configuration, storage: storage, random: RaftRandom(seed: configuration.id.rawValue))
        }

        var id: ReplicaID { configuration.id }
    }

    /// A command that cannot be carried out; its text is the output.
    struct Failure: Error {
        var text: String
    }

    var nodes: [Node] = []
    /// Sent and not yet delivered.
    var messages: [Message] = []
    var output = ""
    /// Nothing but errors is shown.
    var isQuiet = false

    mutating func write(_ text: String) {
        if !isQuiet { output += text }
    }

    /// Runs `body` and moves what it writes two columns to the right.
    mutating func indented(_ body: (inout Self) throws(Failure) -> Void) throws(Failure) {
        let before = output
        output = ""
        var failure: Failure?
        do { try body(&self) } catch { failure = error }
        let lines = output.split(separator: "\n", omittingEmptySubsequences: false)
        let written = lines.last == "" ? lines.dropLast() : lines[...]
        output = before + written.map { "  \($0)\n" }.joined()
        if let failure { throw failure }
    }

    // MARK: Work

    mutating func processReady(_ node: Node) throws(Failure) {
        let ready = node.raft.ready()
        write(Describe.ready(ready))
        if !node.configuration.asyncStorageWrites {
            try node.storage.persist(ready.hardState, ready.entries, ready.snapshot)
            try apply(ready.committedEntries, to: node)
        }
        for message in ready.messages {
            switch message.to {
            case .appendThread: node.appendWork.append(message)
            case .applyThread: node.applyWork.append(message)
            default: messages.append(message)
            }
        }
        if !node.configuration.asyncStorageWrites { node.raft.advance() }
    }

    mutating func processAppendThread(_ node: Node) throws(Failure) {
        if node.appendWork.isEmpty { return write("no append work to perform") }
        let message = node.appendWork.removeFirst()
        try process(message) { _ throws(Failure) in
            try node.storage.persist(message.hardState, message.entries, message.snapshot)
        }
    }

    mutating func processApplyThread(_ node: Node) throws(Failure) {
        if node.applyWork.isEmpty { return write("no apply work to perform") }
        let message = node.applyWork.removeFirst()
        try process(message) { environment throws(Failure) in try environment.apply(message.entries, to: node) }
    }

    private mutating func process(
        _ message: Message, _ work: (inout Self) throws(Failure) -> Void
    ) throws(Failure) {
        var head = message
        head.responses = []
        write("Processing:\n\(Describe.message(head))\n")
        try work(&self)
        write("Responses:\n")
        for response in message.responses { write(Describe.message(response) + "\n") }
        messages += message.responses
    }

    private mutating func apply(_ entries: [Entry], to node: Node) throws(Failure) {
        for entry in entries {
            var confState = node.storage.newest.confState
            if entry.isConfChange {
                do throws(ConfChangeError) {
                    let change = try ConfChange(decoding: entry)
                    if let changed = try? node.raft.applyConfChange(change) { confState = changed }
                } catch {
                    throw Failure(text: "\(error)")
                }
            }
            node.storage.newest = Snapshot(term: entry.term, index: entry.index, confState: confState)
        }
    }

    // MARK: Network

    struct Recipient {
        var id: ReplicaID
        var isDropping = false
    }

    /// Delivers or drops what is under way to the recipients, and returns how many messages that were.
    mutating func deliver(_ kind: MessageKind?, _ recipients: [Recipient]) -> Int {
        var handled = 0
        for recipient in recipients {
            let taken = messages.filter { isTaken($0, kind, recipient) }
            messages = messages.filter { !isTaken($0, kind, recipient) }
            handled += taken.count
            for message in taken {
                write((recipient.isDropping ? "dropped: " : "") + Describe.message(message) + "\n")
                if !recipient.isDropping { step(message) }
            }
        }
        return handled
    }

    private mutating func step(_ message: Message) {
        guard message.to.rawValue <= nodes.count else { return write("no replica \(message.to.rawValue)\n") }
        do {
            try nodes[Int(message.to.rawValue) - 1].raft.step(message)
        } catch {
            write(Describe.error(error) + "\n")
        }
    }

    /// What a replica says to itself is never lost.
    private func isTaken(_ message: Message, _ kind: MessageKind?, _ recipient: Recipient) -> Bool {
        if message.to != recipient.id || (kind != nil && message.kind != kind) { return false }
        return !(recipient.isDropping && (message.from == message.to || message.from.isLocalThread))
    }

    /// Works on everything until nothing is left to do.
    mutating func stabilize(_ nodes: [Node]) throws(Failure) {
        for _ in 0..<10_000 {
            var isDone = true
            for node in nodes where node.raft.hasReady {
                write("> \(node.id.rawValue) handling Ready\n")
                try indented { environment throws(Failure) in try environment.processReady(node) }
                isDone = false
            }
            for node in nodes where messages.contains(where: { $0.to == node.id }) {
                write("> \(node.id.rawValue) receiving messages\n")
                try indented { environment throws(Failure) in
                    _ = environment.deliver(nil, [Recipient(id: node.id)])
                }
                isDone = false
            }
            for node in nodes where !node.appendWork.isEmpty {
                write("> \(node.id.rawValue) processing append thread\n")
                while !node.appendWork.isEmpty {
                    try indented { environment throws(Failure) in try environment.processAppendThread(node) }
                }
                isDone = false
            }
            for node in nodes where !node.applyWork.isEmpty {
                write("> \(node.id.rawValue) processing apply thread\n")
                while !node.applyWork.isEmpty {
                    try indented { environment throws(Failure) in try environment.processApplyThread(node) }
                }
                isDone = false
            }
            if isDone { return }
        }
        throw Failure(text: "no rest after 10000 rounds")
    }
}
