import Foundation

/// Which process holds the other end of a local connection, looked up in /proc.
///
/// All nodes have the address 127.0.0.1, so the proxy can tell who dials only by the process that owns the socket.
enum SocketOwner {
    /// - Returns: one of the processes, or nil where none of them holds a socket from `localPort` to `remotePort`.
    static func process(localPort: Int, remotePort: Int, among processes: [Int32]) -> Int32? {
        guard let inode = inode(localPort: localPort, remotePort: remotePort) else { return nil }
        return processes.first { holds($0, socket: "socket:[\(inode)]") }
    }

    private static func inode(localPort: Int, remotePort: Int) -> Substring? {
        for line in table().split(separator: "\n").dropFirst() {
            let fields = line.split(separator: " ")
            if fields.count > 9, port(fields[1]) == localPort, port(fields[2]) == remotePort { return fields[9] }
        }
        return nil
    }

    /// Read until nothing more comes: the kernel gives a page at a time, and a read of the whole file at once takes the
    /// first short one for the end.
    private static func table() -> String {
        guard let file = FileHandle(forReadingAtPath: "/proc/net/tcp") else { return "" }
        var bytes = Data()
        while let piece = try? file.read(upToCount: 65_536), !piece.isEmpty { bytes += piece }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// `0100007F:1F90`
    private static func port(_ address: Substring) -> Int? {
        address.split(separator: ":").last.flatMap { Int($0, radix: 16) }
    }

    private static func holds(_ process: Int32, socket: String) -> Bool {
        let folder = "/proc/\(process)/fd"
        let files = FileManager.default
        return ((try? files.contentsOfDirectory(atPath: folder)) ?? []).contains { file in
            (try? files.destinationOfSymbolicLink(atPath: "\(folder)/\(file)")) == socket
        }
    }
}
