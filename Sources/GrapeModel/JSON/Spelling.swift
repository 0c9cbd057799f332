/// The word that a user may have meant: the nearest by edit distance, if it is near enough to be worth naming.
package func nearest(to text: String, among words: [String]) -> String? {
    let wanted = Array(text.utf8.prefix(64))
    let near = words.map { (word: $0, distance: editDistance(wanted, Array($0.utf8))) }
    guard let best = near.min(by: { $0.distance < $1.distance }) else { return nil }
    let allowed = wanted.count < 4 ? 1 : max(2, wanted.count / 3)
    return best.distance <= allowed ? best.word : nil
}

/// Insertions, deletions and replacements between two texts (Levenshtein, two rows).
private func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var previous = Array(0...right.count)
    for (row, byte) in left.enumerated() {
        var current = [row + 1]
        for (column, other) in right.enumerated() {
            let replaced = previous[column] + (byte == other ? 0 : 1)
            current.append(min(replaced, previous[column + 1] + 1, current[column] + 1))
        }
        previous = current
    }
    return previous[right.count]
}

/// A user's text for a message: long ones are cut.
package func shortened(_ text: String) -> String {
    text.utf8.count <= 64 ? text : String(text.prefix(32)) + "…"
}
