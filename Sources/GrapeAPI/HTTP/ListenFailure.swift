import NIOCore

/// A port on which this process can't listen.
package struct ListenFailure: Error, Sendable, CustomStringConvertible {
    package enum Kind: Sendable {
        case portInUse
        case cannotListen
    }

    package let kind: Kind
    package let description: String

    init(kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }

    /// - Parameter key: the configuration key that names the port.
    init(_ error: any Error, host: String, port: Int, key: String) {
        if let error = error as? IOError, error.errnoCode == Self.addressInUse {
            self.init(
                kind: .portInUse,
                "port \(port) on \(host) is in use: stop the other process or choose another port (\(key))")
        } else {
            self.init(kind: .cannotListen, "cannot listen on \(host), port \(port) (\(key)): \(error)")
        }
    }

    /// EADDRINUSE.
    private static let addressInUse: CInt = 98
}
