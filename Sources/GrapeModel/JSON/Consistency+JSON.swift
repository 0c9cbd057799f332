/// For `ObjectReader.choice`.
extension Consistency: CaseIterable {
    package static let allCases: [Consistency] = [.strong, .eventual]
}
