/// Readers of recorded histories: text lines of invocations and outcomes, where the line number is the clock.
///
/// `:ok` completes an operation; `:fail` of a compare-and-set says that it compared unequal; a failed read tells
/// nothing; `:info` and `:timed-out` leave the outcome unknown for ever, and that process invokes no more.
package enum RecordedHistory {
    package struct Malformed: Error, CustomStringConvertible {
        package let line: Int
        package let text: String
        package var description: String { "line \(line) is no event of a history: \(text)" }
    }

    /// `… - process :kind :function value`, separated by tabs, for one register.
    package static func register(_ text: String) throws(Malformed) -> [TimedOperation<RegisterModel.Operation>] {
        var recorder = Recorder<[Substring], RegisterModel.Operation>()
        for (number, line) in text.split(separator: "\n").enumerated() {
            let words = line.split { $0 == " " || $0 == "\t" }.dropFirst(3)
            guard words.count >= 4 else { throw Malformed(line: number + 1, text: String(line)) }
            let process = String(words[words.startIndex])
            let values = Array(words.dropFirst(2))
            switch words[words.startIndex + 1] {
            case ":invoke":
                recorder.invoke(process, values, at: number)
            case let kind:
                guard let call = recorder.close(process), let operation = registerOperation(call.input, kind, values)
                else { throw Malformed(line: number + 1, text: String(line)) }
                recorder.record(operation, call.time, kind == ":info" ? nil : number)
            }
        }
        recorder.closeAll { registerOperation($0, ":info", $0) }
        return recorder.history
    }

    /// `{:process 0, :type :ok, :f :append, :key "0", :value "x"}`, for a map of texts.
    package static func map(
        _ text: String
    ) throws(Malformed) -> [(key: String, history: [TimedOperation<AppendModel.Operation>])] {
        var recorder = Recorder<MapEvent, (key: String, operation: AppendModel.Operation)>()
        for (number, line) in text.split(separator: "\n").enumerated() {
            guard let event = MapEvent(line) else { throw Malformed(line: number + 1, text: String(line)) }
            if event.kind == ":invoke" {
                recorder.invoke(event.process, event, at: number)
            } else {
                guard let call = recorder.close(event.process) else {
                    throw Malformed(line: number + 1, text: String(line))
                }
                recorder.record(
                    (event.key, event.operation(input: call.input)), call.time, event.kind == ":ok" ? number : nil)
            }
        }
        recorder.closeAll { ($0.key, MapEvent(unfinished: $0).operation(input: $0)) }
        return recorder.history.partitioned { $0.key }.map { part in
            (part.key, part.history.map { .init($0.operation.operation, call: $0.call, completion: $0.completion) })
        }
    }

    private static func registerOperation(
        _ input: [Substring], _ kind: Substring, _ output: [Substring]
    ) -> RegisterModel.Operation? {
        let known = kind != ":info"
        switch (input[0], input.count) {
        case (":read", _):
            return kind == ":ok" ? .read(Int(output[1])) : .readOfUnknownOutcome
        case (":write", _):
            return kind == ":fail" ? nil : Int(input[1]).map { .write($0) }
        case (":cas", 3):
            // [expected new]
            guard let expected = Int(input[1].dropFirst()), let new = Int(input[2].dropLast()) else { return nil }
            return known
                ? .compareAndSet(expected: expected, new: new, succeeded: kind == ":ok")
                : .compareAndSetOfUnknownOutcome(expected: expected, new: new)
        default:
            return nil
        }
    }
}

/// Joins invocations with their outcomes by process.
private struct Recorder<Input, Operation> {
    private(set) var history: [TimedOperation<Operation>] = []
    /// In the order of invocation.
    private var open: [(process: String, input: Input, time: Int)] = []

    mutating func invoke(_ process: String, _ input: Input, at time: Int) {
        open.append((process, input, time))
    }

    mutating func close(_ process: String) -> (input: Input, time: Int)? {
        guard let index = open.firstIndex(where: { $0.process == process }) else { return nil }
        let call = open.remove(at: index)
        return (call.input, call.time)
    }

    mutating func record(_ operation: Operation, _ call: Int, _ completion: Int?) {
        history.append(TimedOperation(operation, call: call, completion: completion))
    }

    /// What was never answered has an unknown outcome.
    mutating func closeAll(_ operation: (Input) -> Operation?) {
        for call in open {
            if let operation = operation(call.input) { record(operation, call.time, nil) }
        }
        open = []
    }
}

/// One line of a recorded map history.
private struct MapEvent {
    let process: String
    let kind: String
    let function: String
    let key: String
    let value: String?

    init(unfinished call: MapEvent) {
        (process, kind, function, key, value) = (call.process, ":info", call.function, call.key, nil)
    }

    init?(_ line: Substring) {
        func field(_ name: String) -> Substring? {
            guard let start = line.firstRange(of: ":\(name) ")?.upperBound else { return nil }
            let rest = line[start...]
            guard rest.first == "\"" else { return rest.prefix { $0 != "," && $0 != "}" } }
            return rest.dropFirst().prefix { $0 != "\"" }
        }
        guard let process = field("process"), let kind = field("type"), let function = field("f"),
            let key = field("key"), let value = field("value")
        else { return nil }
        self.process = String(process)
        self.kind = String(kind)
        self.function = String(function)
        self.key = String(key)
        self.value = value == "nil" ? nil : String(value)
    }

    func operation(input: MapEvent) -> AppendModel.Operation {
        switch input.function {
        case ":put": .put(input.value ?? "")
        case ":append": .append(input.value ?? "")
        default: kind == ":ok" ? .get(value ?? "") : .getOfUnknownOutcome
        }
    }
}
