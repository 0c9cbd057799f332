import GrapeConfiguration
import GrapeModel
import NIOSSL

/// What clients' connections are encrypted with: `[tls]`.
package enum ServerTLS {
    /// -> nil where TLS is off.
    /// - Parameter protocols: what is spoken over it, as clients are told by ALPN.
    package static func context(_ tls: Configuration.TLS, protocols: [String]) throws(GrapeError) -> NIOSSLContext? {
        guard tls.enabled, let certificate = tls.certFile, let key = tls.keyFile else { return nil }
        do {
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: try NIOSSLCertificate.fromPEMFile(certificate).map { .certificate($0) },
                privateKey: .privateKey(try NIOSSLPrivateKey(file: key, format: .pem)))
            configuration.minimumTLSVersion = .tlsv12
            configuration.applicationProtocols = protocols
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw GrapeError(
                .cannotStart,
                "tls.cert_file \(certificate) and tls.key_file \(key): expected PEM files that belong together, found \(error)"
            )
        }
    }
}
