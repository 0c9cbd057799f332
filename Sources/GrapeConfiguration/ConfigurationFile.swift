// Foundation for one thing only: reading a file of unknown length with the cause of a failure. The system calls and
// swift-system take pointers to buffers, which this target does not use; TOMLKit links Foundation in any case.
import Foundation

/// A configuration file's name, for messages, and its contents.
package struct ConfigurationFile: Sendable {
    package let name: String
    package let bytes: [UInt8]

    /// Bytes of a file: far above any real one, far below what would harm.
    package static let bytesMax = 1 << 20

    package init(name: String, bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
    }

    package init(name: String, text: String) { self.init(name: name, bytes: Array(text.utf8)) }

    /// Reads the file at `path`, which may also be a pipe.
    package static func read(_ path: String) throws(ConfigurationError) -> ConfigurationFile {
        guard !path.isEmpty, !path.utf8.contains(0) else {
            throw ConfigurationError("--config: found \(ConfigurationValue.quoted(path)), expected the path of a file")
        }
        let url = URL(fileURLWithPath: path)
        let resources = try? url.resolvingSymlinksInPath().resourceValues(forKeys: [.isDirectoryKey])
        if resources?.isDirectory == true {
            throw ConfigurationError("\(path): found a directory, expected a file")
        }
        do {
            let handle = try FileHandle(forReadingFrom: url)
            defer { try? handle.close() }
            var bytes: [UInt8] = []
            while bytes.count <= bytesMax, let part = try handle.read(upToCount: bytesMax + 1 - bytes.count) {
                guard !part.isEmpty else { break }
                bytes += part
            }
            guard bytes.count <= bytesMax else {
                throw ConfigurationError("\(path): found more than \(bytesMax) bytes, expected a configuration file")
            }
            return ConfigurationFile(name: path, bytes: bytes)
        } catch let error as ConfigurationError {
            throw error
        } catch {
            throw ConfigurationError("\(path): cannot be read: \(cause(of: error))")
        }
    }

    private static func cause(of error: any Error) -> String {
        switch (error as? CocoaError)?.code {
        case .fileReadNoSuchFile?, .fileNoSuchFile?: return "no such file"
        case .fileReadNoPermission?: return "permission denied"
        default: return (error as NSError).localizedDescription
        }
    }
}
