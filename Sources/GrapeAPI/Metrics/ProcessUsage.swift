import Foundation

/// What the system says of this process, read from /proc.
struct ProcessUsage: Sendable {
    var cpuSeconds = 0.0
    var residentBytes = 0
    var openFiles = 0
    var diskReadBytes = 0
    var diskWrittenBytes = 0
    /// Seconds since 1970.
    var startSeconds = 0.0

    /// CPU time as a share of the time since the start: 1 is one core.
    var averageCPUShare: Double {
        let age = Date.now.timeIntervalSince1970 - startSeconds
        return age > 0 ? cpuSeconds / age : 0
    }

    /// Clock ticks in a second, as /proc counts them; Linux has had no other number for decades.
    private static let ticksPerSecond = 100.0
    private static let pageBytes = 4_096

    static func now() -> ProcessUsage {
        var usage = ProcessUsage()
        // The second field is the program's name in parentheses and may hold spaces.
        let stat = file("/proc/self/stat").split(separator: ")").last?.split(separator: " ") ?? []
        if stat.count > 19 {
            usage.cpuSeconds = ((Double(stat[11]) ?? 0) + (Double(stat[12]) ?? 0)) / ticksPerSecond
            let bootSeconds = fields("/proc/stat", separator: " ")["btime"] ?? 0
            usage.startSeconds = Double(bootSeconds) + (Double(stat[19]) ?? 0) / ticksPerSecond
        }
        let pages = file("/proc/self/statm").split(separator: " ")
        if pages.count > 1 { usage.residentBytes = (Int(pages[1]) ?? 0) * pageBytes }
        usage.openFiles = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0
        let io = fields("/proc/self/io", separator: ":")
        usage.diskReadBytes = io["read_bytes"] ?? 0
        usage.diskWrittenBytes = io["write_bytes"] ?? 0
        return usage
    }

    /// Lines of a name and a number.
    private static func fields(_ path: String, separator: Character) -> [String: Int] {
        var fields: [String: Int] = [:]
        for line in file(path).split(separator: "\n") {
            let parts = line.split(separator: separator, maxSplits: 1)
            guard parts.count == 2, let value = Int(parts[1].drop { $0 == " " }) else { continue }
            fields[String(parts[0])] = value
        }
        return fields
    }

    private static func file(_ path: String) -> String {
        FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
}
