/// How two vectors are compared.
///
/// Cosine and dot product are similarities (a higher score is better); euclidean and manhattan are distances (a lower
/// score is better).
package enum DistanceMetric: UInt8, Sendable, Hashable, CaseIterable {
    case cosine = 1
    case euclidean = 2
    case dotProduct = 3
    case manhattan = 4

    /// Name in configuration files and answers.
    package var name: String {
        switch self {
        case .cosine: "cosine"
        case .euclidean: "euclidean"
        case .dotProduct: "dot_product"
        case .manhattan: "manhattan"
        }
    }

    package init?(name: String) {
        guard let metric = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = metric
    }

    /// Whether a higher score means a better match.
    package var higherIsBetter: Bool {
        switch self {
        case .cosine, .dotProduct: true
        case .euclidean, .manhattan: false
        }
    }
}
