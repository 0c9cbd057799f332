import GrapeModel
import NIOSSL

/// Mutual TLS between nodes: both sides show a certificate that the cluster's authority signed. Host names are not compared:
/// who a node is it proves by the cluster's token and ids, and addresses may change.
enum PeerTLS {
    static func contexts(
        _ files: TransportOptions.TLSFiles?
    ) throws(GrapeError) -> (server: NIOSSLContext?, client: NIOSSLContext?) {
        guard let files else { return (nil, nil) }
        do {
            let chain = try NIOSSLCertificate.fromPEMFile(files.certificate).map(NIOSSLCertificateSource.certificate)
            let key = NIOSSLPrivateKeySource.privateKey(try NIOSSLPrivateKey(file: files.key, format: .pem))
            var server = TLSConfiguration.makeServerConfiguration(certificateChain: chain, privateKey: key)
            server.certificateVerification = .noHostnameVerification
            server.trustRoots = .file(files.authority)
            var client = TLSConfiguration.makeClientConfiguration()
            client.certificateChain = chain
            client.privateKey = key
            client.certificateVerification = .noHostnameVerification
            client.trustRoots = .file(files.authority)
            return (try NIOSSLContext(configuration: server), try NIOSSLContext(configuration: client))
        } catch {
            throw GrapeError(.cannotStart, "the files of [tls] can't be used: \(error)")
        }
    }
}
