import Foundation

/// The processes on this machine that answer at local endpoints, looked up in /proc by the port they listen on.
///
/// Their CPU time tells what a request costs the server, also while the load generator takes turns with it on the same
/// cores. Of servers elsewhere nothing is known.
struct ServerProcesses {
    private let identifiers: [Int]

    /// Nil unless a process is found for every endpoint.
    init?(endpoints: [Endpoint]) {
        guard endpoints.allSatisfy(\.isLocal) else { return nil }
        let sockets = Self.listeningSockets(ports: Set(endpoints.map(\.port)))
        guard !sockets.isEmpty else { return nil }
        identifiers = Self.processes(holding: sockets)
        guard !identifiers.isEmpty else { return nil }
    }

    /// CPU seconds so far, user and system, of all of them; the kernel counts in hundredths.
    var cpuSeconds: Double {
        identifiers.reduce(0) { $0 + Self.cpuSeconds(of: $1) }
    }

    private static func cpuSeconds(of process: Int) -> Double {
        // The name in brackets may hold spaces; what follows it is numbers from field 3 on.
        guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
            let name = text.lastIndex(of: ")")
        else { return 0 }
        let fields = text[name...].split(separator: " ").dropFirst()
        let ticks = [14, 15].compactMap { field in fields.dropFirst(field - 3).first.flatMap { Double($0) } }
        return ticks.reduce(0, +) / 100
    }

    /// Inodes of the sockets that listen on these ports.
    private static func listeningSockets(ports: Set<Int>) -> Set<String> {
        var inodes: Set<String> = []
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            guard let text = try? String(contentsOfFile: table, encoding: .utf8) else { continue }
            for line in text.split(separator: "\n").dropFirst() {
                let fields = line.split(separator: " ")
                guard fields.count > 9, fields[3] == "0A",
                    let port = fields[1].split(separator: ":").last.flatMap({ Int($0, radix: 16) }),
                    ports.contains(port)
                else { continue }
                inodes.insert(String(fields[9]))
            }
        }
        return inodes
    }

    private static func processes(holding inodes: Set<String>) -> [Int] {
        let targets = Set(inodes.map { "socket:[\($0)]" })
        let files = FileManager.default
        let processes = (try? files.contentsOfDirectory(atPath: "/proc"))?.compactMap { Int($0) } ?? []
        return processes.sorted().filter { process in
            let folder = "/proc/\(process)/fd"
            let open = (try? files.contentsOfDirectory(atPath: folder)) ?? []
            return open.contains { file in
                (try? files.destinationOfSymbolicLink(atPath: "\(folder)/\(file)")).map(targets.contains) ?? false
            }
        }
    }
}
