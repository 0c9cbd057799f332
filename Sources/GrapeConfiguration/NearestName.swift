/// Finds what somebody who mistyped a name most likely meant.
enum NearestName {
    /// The candidate closest to `name`, unless all are too far away for a guess to help.
    static func among(_ candidates: [String], to name: String, distanceMax: Int? = nil) -> String? {
        let wanted = normalized(name)
        guard wanted.count <= 64 else { return nil }
        let limit = distanceMax ?? max(1, wanted.count / 3)
        var best: (name: String, distance: Int)?
        for candidate in candidates {
            let distance = editDistance(wanted, normalized(candidate))
            if distance <= limit && distance < best?.distance ?? .max { best = (candidate, distance) }
        }
        return best?.name
    }

    /// Case and the choice between dash and underscore are no differences.
    static func normalized(_ name: String) -> [UInt8] { Array(name.lowercased().replacing("-", with: "_").utf8) }

    /// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours that turn `left` into
    /// `right`.
    static func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var beforePrevious = [Int](repeating: 0, count: right.count + 1)
        var previous = Array(0...right.count)
        for i in left.indices {
            var current = [i + 1]
            for j in right.indices {
                var cost = min(previous[j + 1] + 1, current[j] + 1, previous[j] + (left[i] == right[j] ? 0 : 1))
                if i > 0 && j > 0 && left[i] == right[j - 1] && left[i - 1] == right[j] {
                    cost = min(cost, beforePrevious[j - 1] + 1)
                }
                current.append(cost)
            }
            beforePrevious = previous
            previous = current
        }
        return previous[right.count]
    }
}

extension ConfigurationKey {
    /// The key that `table.name`, which does not exist, was probably meant to be.
    static func suggestion(for name: String, in table: String) -> String? {
        let wanted = NearestName.normalized(name)
        if let own = all.first(where: { $0.table == table && NearestName.normalized($0.name) == wanted }) {
            return own.fullName
        }
        if let elsewhere = all.first(where: { NearestName.normalized($0.name) == wanted }) { return elsewhere.fullName }
        let siblings = all.filter { $0.table == table }
        if let near = NearestName.among(siblings.map(\.name), to: name) { return "\(table).\(near)" }
        guard let near = NearestName.among(all.map(\.name), to: name) else { return nil }
        return all.first { $0.name == near }?.fullName
    }
}
