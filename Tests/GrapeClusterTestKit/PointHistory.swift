import GrapeTestKit

/// What clients did to points, key by key, and whether there is an order of it that explains all answers.
///
/// Points below `firstOther` are registers, which are only written, each value once: their histories are judged without
/// search. The others are deleted too.
struct PointHistory {
    private var registers: RegisterHistory
    private var others: [[TimedOperation<RegisterModel.Operation>]]

    static let firstOther = 1_000
    static let otherCount = 8
    /// The value of a point that is not there. It never was before the first write.
    private static let absent = -1
    private static let stepsMax = 300_000

    init(registers count: Int) {
        registers = RegisterHistory(keys: count)
        let creation = TimedOperation(RegisterModel.Operation.write(Self.absent), call: -2, completion: -1)
        others = Array(repeating: [creation], count: Self.otherCount)
        self.count = 0
    }

    private(set) var count: Int

    /// - Parameter completion: nil: nobody knows whether it was done, or will be.
    mutating func write(_ value: Int?, key: Int, call: Int, completion: Int?) {
        add(.write(value ?? Self.absent), key, call, completion)
    }

    mutating func read(_ value: Int?, key: Int, call: Int, completion: Int) {
        if key < Self.firstOther {
            add(.read(value), key, call, completion)
        } else {
            add(.read(value ?? Self.absent), key, call, completion)
        }
    }

    private mutating func add(_ operation: RegisterModel.Operation, _ key: Int, _ call: Int, _ completion: Int?) {
        count += 1
        if key < Self.firstOther { return registers.add(operation, key: key, call: call, completion: completion) }
        others[key - Self.firstOther].append(TimedOperation(operation, call: call, completion: completion))
    }

    private static func describe(_ timed: TimedOperation<RegisterModel.Operation>) -> String {
        "\(timed.call)-\(timed.completion.map(String.init) ?? "?") \(timed.operation)"
    }

    /// -> histories that were too hard to judge.
    func check() throws(Violation) -> Int {
        try registers.check()
        var undecided = 0
        for (place, history) in others.enumerated() {
            switch LinearizabilityChecker(model: RegisterModel(), stepsMax: Self.stepsMax).check(history) {
            case .linearizable: break
            case .undecided: undecided += 1
            case .violated(let operation):
                throw Violation(
                    .linearizability,
                    "key \(place + Self.firstOther): no order allows \(Self.describe(history[operation])) in\n"
                        + history.sorted { $0.call < $1.call }.map(Self.describe).joined(separator: "\n"))
            }
        }
        return undecided
    }
}
