import Glibc

/// What the operating system says of this process and its limits. It lives here because reading files without
/// Foundation takes pointers.
package enum ProcessStatistics {
    /// Bytes of memory that the process holds.
    package static var residentBytes: Int {
        let pages = text(of: "/proc/self/statm")?.split(separator: " ").dropFirst().first.flatMap { Int($0) }
        return (pages ?? 0) * sysconf(Int32(_SC_PAGESIZE))
    }

    /// Bytes of memory that the process may hold: the limit of its control group, else the machine's memory.
    package static var memoryLimitBytes: Int {
        let machine = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
        let group = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
            .compactMap { text(of: $0) }
            .compactMap { Int($0.split(whereSeparator: \.isWhitespace).first ?? "") }
            .min()
        return min(machine, group ?? machine)
    }

    /// Processors that are online.
    package static var cores: Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

    /// By the machine's clock, which may jump: for people to read, never for decisions.
    package static var millisecondsSince1970: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(max(0, time.tv_sec)) * 1_000 + UInt64(max(0, time.tv_nsec)) / 1_000_000
    }

    private static func text(of path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 4_096)
        let count = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
        guard count > 0 else { return nil }
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }
}
