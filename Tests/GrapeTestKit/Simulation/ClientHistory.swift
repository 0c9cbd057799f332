/// What clients saw, key by key, with the numbers of the events as the clock.
struct ClientHistory {
    /// By key.
    private var operations: [[TimedOperation<RegisterModel.Operation>]]

    init(keys: Int) { operations = Array(repeating: [], count: keys) }

    var count: Int { operations.reduce(0) { $0 + $1.count } }

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
        operations[Int(command.key)].append(TimedOperation(operation, call: call, completion: completion))
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
        operations[Int(command.key)].append(TimedOperation(operation, call: call, completion: nil))
    }

    private static func register(_ value: UInt64) -> Int? { value == 0 ? nil : Int(value) }

    func check() throws(Violation) {
        for (key, history) in operations.enumerated() {
            let (model, settled) = UniqueRegisterModel.settling(history)
            guard !UniqueRegisterOrder.isLinearizable(settled) else { continue }
            // The search only names the operation.
            switch LinearizabilityChecker(model: model, stepsMax: 2_000_000).check(settled) {
            case .violated(let operation):
                throw Violation(.linearizability, "key \(key): no order allows \(settled[operation])")
            case .linearizable, .undecided:
                throw Violation(.linearizability, "key \(key): no order allows its \(settled.count) operations")
            }
        }
    }
}
