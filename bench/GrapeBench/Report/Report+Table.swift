import Foundation

extension Report {
    /// What a person reads at the terminal.
    var table: String {
        var parts = [
            setting.map { name, value in
                switch value {
                case .number(let number): "\(name.replacingOccurrences(of: "_", with: " ")) \(Self.grouped(number))"
                case .text(let text): text
                }
            }.joined(separator: ", ")
        ]
        if let build { parts.append(Self.text(build)) }
        if let load { parts.append(Self.text(load)) }
        if !points.isEmpty { parts.append(Self.searchTable(points)) }
        for figures in filters {
            parts.append(
                "under \(figures.filter), \(Self.grouped(figures.rowsMatching)) rows\n"
                    + Self.searchTable(figures.points))
        }
        if let memoryBytes { parts.append("memory \(Self.number(Double(memoryBytes) / 1_048_576, 1)) MiB") }
        return parts.joined(separator: "\n\n")
    }

    private static func searchTable(_ points: [SearchFigures]) -> String {
        var rows = [["ef", "recall@10", "queries/s", "CPU µs/query", "p50 ms", "p95 ms", "p99 ms"]]
        for point in points {
            rows.append([
                point.ef.map(String.init) ?? "exact", Self.number(point.recall, 4),
                Self.grouped(point.queriesPerSecond), Self.number(point.cpuMicrosecondsPerQuery, 1),
                Self.number(point.latency.p50, 3),
                Self.number(point.latency.p95, 3), Self.number(point.latency.p99, 3),
            ])
        }
        let failed = points.compactMap(\.errors).reduce(0, +)
        return Self.aligned(rows) + (failed > 0 ? "\n\(failed) searches failed" : "")
    }

    private static func text(_ build: BuildFigures) -> String {
        aligned([
            ["build s", "CPU s", "points/s"],
            [number(build.seconds, 2), number(build.cpuSeconds, 2), grouped(build.pointsPerSecond)],
        ])
    }

    private static func text(_ load: LoadFigures) -> String {
        aligned([
            ["load s", "points/s", "server CPU µs/point", "p50 ms", "p95 ms", "p99 ms", "errors", "retries"],
            [
                number(load.seconds, 2), grouped(load.pointsPerSecond), number(load.serverCPUMicrosecondsPerPoint, 1),
                number(load.latency.p50, 2), number(load.latency.p95, 2), number(load.latency.p99, 2),
                String(load.errors), String(load.retries),
            ],
        ])
    }

    /// Columns as wide as their widest cell, aligned to the right.
    private static func aligned(_ rows: [[String]]) -> String {
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            zip(row, widths).map { String(repeating: " ", count: $1 - $0.count) + $0 }.joined(separator: "  ")
        }.joined(separator: "\n")
    }

    private static func number(_ value: Double?, _ digits: Int) -> String {
        value.map { String(format: "%.\(digits)f", $0) } ?? "-"
    }

    /// 116659 as 116,659.
    static func grouped(_ number: some BinaryInteger) -> String {
        var digits = String(number)
        var groups: [String] = []
        while digits.count > 3 {
            groups.insert(String(digits.suffix(3)), at: 0)
            digits.removeLast(3)
        }
        return ([digits] + groups).joined(separator: ",")
    }

    private static func grouped(_ value: Double) -> String { grouped(Int(value.rounded())) }
}
