/// What clients saw, key by key, with the numbers of the events as the clock.
struct ClientHistory {
    private var history: RegisterHistory

    init(keys: Int) { history = RegisterHistory(keys: keys) }

    var count: Int { history.count }

    mutating func completed(_ command: MapCommand, _ answer: Reply.Answer, call: Int, completion: Int) {
        let operation: RegisterModel.Operation
        switch answer {
        case .value(let value): operation = .read(Self.register(value))
        case .outcome(.written): operation = .write(Int(command.value))
        case .outcome(.swapped):
            operation = .compareAndSet(
                expected: Self.register(command.expected), new: Int(command.value), succeeded: true)
        // It tells what it found, so it is a read: more than that something else than the expected value was there.
        case .outcome(.notSwapped(let found)): operation = .read(Self.register(found))
        case .outcome(.none), .notLeader: preconditionFailure("\(answer) completes nothing")
        }
        history.add(operation, key: Int(command.key), call: call, completion: completion)
    }

    mutating func gaveUp(_ command: MapCommand, call: Int) {
        switch command.kind {
        case .read: return
        case .write: append(.write(Int(command.value)), command, call)
        case .compareAndSet:
            append(
                .compareAndSetOfUnknownOutcome(
                    expected: Self.register(command.expected), new: Int(command.value)), command, call)
        }
    }

    private mutating func append(_ operation: RegisterModel.Operation, _ command: MapCommand, _ call: Int) {
        history.add(operation, key: Int(command.key), call: call, completion: nil)
    }

    private static func register(_ value: UInt64) -> Int? { value == 0 ? nil : Int(value) }

    func check() throws(Violation) { try history.check() }
}
