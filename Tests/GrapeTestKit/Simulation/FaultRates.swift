/// How often each fault class strikes in a run, in millionths; zero is off.
package struct FaultRates: Sendable, Hashable, CustomStringConvertible {
    private var rates = [Int](repeating: 0, count: FaultClass.allCases.count)

    package init() {}

    /// Each class on in half of the runs, its rate spread evenly over its orders of magnitude.
    package init(using random: inout Xoshiro256) {
        rates = FaultClass.allCases.map { fault in
            random.below(2) == 0 ? 0 : max(1, fault.rateMax >> random.below(6))
        }
    }

    package subscript(fault: FaultClass) -> Int {
        get { rates[fault.rawValue] }
        set { rates[fault.rawValue] = newValue }
    }

    package var description: String {
        FaultClass.allCases.filter { self[$0] > 0 }.map { "\($0)=\(self[$0])" }.joined(separator: " ")
    }
}
