extension Configuration {
    /// Settings that are valid but that this build can't honour, one line each. The server refuses to start while there
    /// are any: a key for safety that is silently ignored is worse than none.
    package var unsupported: [String] {
        var lines: [String] = []
        if vector.onDisk { lines.append("vector.on_disk = true: this build keeps vectors in memory only") }
        return lines
    }
}
