/// What was done to registers, key by key. No value is written twice to one of them.
package struct RegisterHistory {
    private var operations: [[TimedOperation<RegisterModel.Operation>]]

    package init(keys: Int) { operations = Array(repeating: [], count: keys) }

    package var count: Int { operations.reduce(0) { $0 + $1.count } }

    package mutating func add(_ operation: RegisterModel.Operation, key: Int, call: Int, completion: Int?) {
        operations[key].append(TimedOperation(operation, call: call, completion: completion))
    }

    package func check() throws(Violation) {
        for (key, history) in operations.enumerated() {
            let (model, settled) = UniqueRegisterModel.settling(history)
            guard !UniqueRegisterOrder.isLinearizable(settled) else { continue }
            // The search only names the operation.
            switch LinearizabilityChecker(model: model, stepsMax: 2_000_000).check(settled) {
            case .violated(let operation):
                let call = settled[operation].call
                let operations = history.sorted { $0.call < $1.call }.map {
                    "\($0.call)-\($0.completion.map(String.init) ?? "?") \($0.operation)"
                }
                throw Violation(
                    .linearizability,
                    "key \(key): no order allows the operation of \(call)\n" + operations.joined(separator: "\n"))
            case .linearizable, .undecided:
                throw Violation(.linearizability, "key \(key): no order allows its \(settled.count) operations")
            }
        }
    }
}
