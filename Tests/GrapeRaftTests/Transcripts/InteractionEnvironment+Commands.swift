import GrapeRaft

/// The commands of a transcript.
extension InteractionEnvironment {
    typealias Step = TranscriptFile.Step

    /// Carries out one step and returns its output, or `ok` when there is none.
    mutating func run(_ step: Step) -> String {
        output = ""
        do {
            try perform(step)
        } catch {
            if isQuiet { return error.text }
            output += error.text
        }
        return output.isEmpty ? "ok" : output
    }

    private mutating func perform(_ step: Step) throws(Failure) {
        if step.command == "propose-conf-change" { return try proposeConfChange(step) }
        try performOne(step)
        for line in step.input {
            var arguments = TranscriptFile.parseArguments(line)
            if arguments.isEmpty { continue }
            let command = arguments.removeFirst().key
            try performOne(Step(command: command, arguments: arguments, input: [], output: [], line: step.line))
        }
    }

    private mutating func performOne(_ step: Step) throws(Failure) {
        switch step.command {
        case "_breakpoint": break
        case "add-nodes": try addNodes(step)
        case "log-level": try setLogLevel(step.arguments.first?.key ?? "")
        case "process-ready": try each(step, "handling Ready") { e, n throws(Failure) in try e.processReady(n) }
        case "process-append-thread":
            try each(step, "processing append thread") { e, n throws(Failure) in try e.processAppendThread(n) }
        case "process-apply-thread":
            try each(step, "processing apply thread") { e, n throws(Failure) in try e.processApplyThread(n) }
        case "stabilize": try stabilize(step)
        case "deliver-msgs": try deliver(step)
        case "status": write(Describe.progress(try node(step, 0).raft.status.progress))
        case "raft-log": try raftLog(try node(step, 0))
        case "raft-state": raftState()
        case "compact": try compact(step)
        case "send-snapshot": try sendSnapshot(from: try node(step, 0), to: try node(step, 1))
        default: try performOnNode(step)
        }
    }

    /// Commands that say one thing to one replica.
    private mutating func performOnNode(_ step: Step) throws(Failure) {
        do throws(RaftError) {
            switch step.command {
            case "campaign": try nodeOrStop(step).raft.campaign()
            case "propose": try nodeOrStop(step).raft.propose(Array((step.arguments.last?.key ?? "").utf8))
            case "tick-heartbeat": tick(try nodeOrStop(step)) { $0.heartbeatTicks }
            case "tick-election": tick(try nodeOrStop(step)) { $0.electionTicks }
            case "forget-leader": try nodeOrStop(step).raft.forgetLeader()
            case "report-unreachable":
                try nodeOrStop(step).raft.reportUnreachable(ReplicaID(UInt64(step.arguments[1].key) ?? 0))
            case "set-randomized-election-timeout":
                try nodeOrStop(step).raft.setElectionTimeout(Int(step.values("timeout").first ?? "") ?? 1)
            case "transfer-leadership":
                guard let from = UInt64(step.values("from").first ?? ""), (1...nodes.count).contains(Int(from)),
                    let to = UInt64(step.values("to").first ?? "")
                else { throw RaftError.invalidStart("transfer-leadership needs from and to") }
                try nodes[Int(from) - 1].raft.transferLeadership(to: ReplicaID(to))
            default: throw RaftError.invalidStart("unknown command")
            }
        } catch {
            if case .invalidStart(let text) = error { throw Failure(text: text) }
            throw Failure(text: Describe.error(error))
        }
    }

    private func tick(_ node: Node, _ count: (RaftConfiguration) -> Int) {
        for _ in 0..<count(node.configuration) { node.raft.tick() }
    }

    // MARK: Arguments

    private func nodeOrStop(_ step: Step) throws(RaftError) -> Node {
        do { return try node(step, 0) } catch { throw .invalidStart(error.text) }
    }

    private func node(_ step: Step, _ position: Int) throws(Failure) -> Node {
        guard position < step.arguments.count, let number = Int(step.arguments[position].key),
            (1...max(1, nodes.count)).contains(number), number <= nodes.count
        else { throw Failure(text: "no replica named by argument \(position)") }
        return nodes[number - 1]
    }

    /// The replicas named by arguments without a value.
    private func namedNodes(_ step: Step) throws(Failure) -> [Node] {
        var named: [Node] = []
        for position in step.arguments.indices where step.arguments[position].values.isEmpty {
            named.append(try node(step, position))
        }
        return named
    }

    private mutating func each(
        _ step: Step, _ title: String, _ work: (inout Self, Node) throws(Failure) -> Void
    ) throws(Failure) {
        let named = try namedNodes(step)
        for node in named {
            if named.count > 1 {
                write("> \(node.id.rawValue) \(title)\n")
                try indented { environment throws(Failure) in try work(&environment, node) }
            } else {
                try work(&self, node)
            }
        }
    }

    private mutating func setLogLevel(_ name: String) throws(Failure) {
        let names = ["debug", "info", "warn", "error", "fatal", "none"]
        guard names.contains(name.lowercased()) else {
            throw Failure(text: "log levels must be either of [DEBUG INFO WARN ERROR FATAL NONE]")
        }
        isQuiet = name.lowercased() == "none"
    }

    // MARK: Commands

    private mutating func stabilize(_ step: Step) throws(Failure) {
        let wasQuiet = isQuiet
        defer { isQuiet = wasQuiet }
        if let level = step.values("log-level").first { try setLogLevel(level) }
        let named = try namedNodes(step)
        try stabilize(named.isEmpty ? nodes : named)
    }

    private mutating func deliver(_ step: Step) throws(Failure) {
        var recipients: [Recipient] = []
        for argument in step.arguments where argument.values.isEmpty {
            recipients.append(Recipient(id: ReplicaID(UInt64(argument.key) ?? 0)))
        }
        recipients += ids(step.values("drop")).map { Recipient(id: $0, isDropping: true) }
        let name = step.values("type").first
        let kind = name.flatMap { Describe.kind(named: $0) }
        if let name, kind == nil { throw Failure(text: "unknown message type \(name)") }
        if deliver(kind, recipients) == 0 { write("no messages\n") }
    }

    private mutating func proposeConfChange(_ step: Step) throws(Failure) {
        let isSingleStepForm = step.values("v1").first == "true"
        let transition: ConfChange.Transition =
            switch step.values("transition").first {
            case "implicit": .jointImplicit
            case "explicit": .jointExplicit
            default: .auto
            }
        let steps = try ConfChange.Step.parse(step.input.joined(separator: " "))
        if isSingleStepForm && (steps.count != 1 || transition != .auto) {
            throw Failure(text: "v1 conf change can only have one operation and no transition")
        }
        let change = ConfChange(steps, transition: transition, isSingleStepForm: isSingleStepForm)
        do throws(RaftError) {
            try nodeOrStop(step).raft.proposeConfChange(change)
        } catch {
            throw Failure(text: Describe.error(error))
        }
    }

    private mutating func raftLog(_ node: Node) throws(Failure) {
        do throws(RaftStorageError) {
            let first = try node.storage.firstIndex()
            let last = try node.storage.lastIndex()
            if last < first {
                return write("log is empty: first index=\(first.rawValue), last index=\(last.rawValue)")
            }
            write(Describe.entries(try node.storage.entries(from: first, to: last.next, sizeMax: .max)))
        } catch {
            throw Failure(text: "\(error)")
        }
    }

    private mutating func raftState() {
        for node in nodes {
            let status = node.raft.status
            let isVoter = (status.confState.voters + status.confState.votersOutgoing).contains(status.id)
            write(
                "\(status.id.rawValue): \(Describe.role(status.role)) \(isVoter ? "(Voter)" : "(Non-Voter)")"
                    + " Term:\(status.term.rawValue) Lead:\(status.leader.rawValue)\n")
        }
    }

    private mutating func compact(_ step: Step) throws(Failure) {
        let node = try node(step, 0)
        do throws(RaftStorageError) {
            try node.storage.memory.compact(to: LogIndex(UInt64(step.arguments.last?.key ?? "") ?? 0))
        } catch {
            throw Failure(text: "requested index is unavailable due to compaction")
        }
        try raftLog(node)
    }

    private mutating func sendSnapshot(from sender: Node, to recipient: Node) throws(Failure) {
        let message = Message(
            .snapshot, from: sender.id, to: recipient.id, term: sender.raft.status.term,
            snapshot: sender.storage.newest)
        messages.append(message)
        write(Describe.message(message))
    }
}

extension ConfChange.Step {
    /// Reads `v1 l2 r3 u4`: make voter, make learner, remove, update.
    static func parse(_ text: String) throws(InteractionEnvironment.Failure) -> [Self] {
        var steps: [Self] = []
        for word in text.split(separator: " ") {
            let actions: [Character: ConfChange.Action] = [
                "v": .addVoter, "l": .addLearner, "r": .remove, "u": .update,
            ]
            guard let letter = word.first, let action = actions[letter], let id = UInt64(word.dropFirst()) else {
                throw InteractionEnvironment.Failure(text: "unknown input: \(word)")
            }
            steps.append(Self(action, ReplicaID(id)))
        }
        return steps
    }
}
