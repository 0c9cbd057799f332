import GrapeModel

/// What was measured. A part that a measurement doesn't have is nil or empty, and left out of the output.
struct Report: Sendable {
    /// What was measured on, one name and value after the other: rows, dimension, parameters.
    var setting: [(name: String, value: Setting)] = []
    var points: [SearchFigures] = []
    var filters: [FilterFigures] = []
    var build: BuildFigures?
    var load: LoadFigures?
    var memoryBytes: Int?

    enum Setting: Sendable {
        case number(Int)
        case text(String)
    }
}

/// Searches at one value of `ef`.
struct SearchFigures: Sendable {
    /// Nil for exact search.
    let ef: Int?
    let recall: Double
    let queriesPerSecond: Double
    /// CPU of the index's threads, or of the server's process; nil where it can't be known.
    let cpuMicrosecondsPerQuery: Double?
    /// CPU of this process, where it is the load generator: it has to be small beside the server's.
    var clientCPUMicrosecondsPerQuery: Double?
    let latency: Quantiles
    /// Searches that failed, over the network.
    var errors: Int?
}

/// Searches under one filter.
struct FilterFigures: Sendable {
    let filter: String
    let rowsMatching: Int
    let points: [SearchFigures]
}

struct BuildFigures: Sendable {
    let seconds: Double
    let cpuSeconds: Double
    let pointsPerSecond: Double
}

struct LoadFigures: Sendable {
    let pointsPerSecond: Double
    let latency: Quantiles
    let errors: Int
    let retries: Int
    let seconds: Double
    /// CPU of the server's process; nil where it can't be known.
    let serverCPUMicrosecondsPerPoint: Double?
}

// MARK: - JSON

extension Report {
    var json: String {
        var writer = JSONWriter()
        writer.beginObject()
        for (name, value) in setting {
            writer.key(name)
            switch value {
            case .number(let number): writer.integer(number)
            case .text(let text): writer.string(text)
            }
        }
        if !points.isEmpty {
            writer.key("points")
            writer.beginArray()
            for figures in points { figures.write(to: &writer) }
            writer.endArray()
        }
        if !filters.isEmpty {
            writer.key("filters")
            writer.beginArray()
            for figures in filters { figures.write(to: &writer) }
            writer.endArray()
        }
        if let build { build.write(to: &writer) }
        if let load { load.write(to: &writer) }
        if let memoryBytes {
            writer.key("memory_bytes")
            writer.integer(memoryBytes)
        }
        writer.endObject()
        return String(decoding: writer.bytes, as: UTF8.self)
    }
}

extension SearchFigures {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("ef")
        if let ef { writer.integer(ef) } else { writer.null() }
        writer.number("recall_at_10", recall, digits: 4)
        writer.number("qps", queriesPerSecond, digits: 1)
        writer.number("cpu_us_per_query", cpuMicrosecondsPerQuery, digits: 1)
        writer.quantiles(latency)
        if let clientCPUMicrosecondsPerQuery {
            writer.number("client_cpu_us_per_query", clientCPUMicrosecondsPerQuery, digits: 1)
        }
        if let errors {
            writer.key("errors")
            writer.integer(errors)
        }
        writer.endObject()
    }
}

extension BuildFigures {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.key("build")
        writer.beginObject()
        writer.number("seconds", seconds, digits: 3)
        writer.number("cpu_seconds", cpuSeconds, digits: 3)
        writer.number("points_per_second", pointsPerSecond, digits: 1)
        writer.endObject()
    }
}

extension LoadFigures {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.key("load")
        writer.beginObject()
        writer.number("points_per_second", pointsPerSecond, digits: 1)
        writer.quantiles(latency)
        writer.key("errors")
        writer.integer(errors)
        writer.key("retries")
        writer.integer(retries)
        writer.number("seconds", seconds, digits: 3)
        writer.number("server_cpu_us_per_point", serverCPUMicrosecondsPerPoint, digits: 1)
        writer.endObject()
    }
}

extension JSONWriter {
    fileprivate mutating func quantiles(_ latency: Quantiles) {
        number("p50_ms", latency.p50, digits: 3)
        number("p95_ms", latency.p95, digits: 3)
        number("p99_ms", latency.p99, digits: 3)
    }

    /// More digits than a measurement has would only be noise.
    fileprivate mutating func number(_ name: String, _ value: Double?, digits: Int) {
        key(name)
        guard let value else { return null() }
        let scale = (0..<digits).reduce(1.0) { scale, _ in scale * 10 }
        double((value * scale).rounded() / scale)
    }
}

extension FilterFigures {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("filter")
        writer.string(filter)
        writer.key("rows_matching")
        writer.integer(rowsMatching)
        writer.key("points")
        writer.beginArray()
        for figures in points { figures.write(to: &writer) }
        writer.endArray()
        writer.endObject()
    }
}
