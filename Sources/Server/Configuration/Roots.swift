import Certificates
import FoundationEssentials
import Kit

/// The certificates that this machine trusts.
enum Roots {
    /// Where distributions keep them, in the order in which they are looked for.
    static let places = [
        "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem",
        "/etc/ssl/ca-bundle.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    ]

    /// - Parameter own: PEM of a test instance; nil for the system's.
    static func chain(to own: [UInt8]?) throws(BadKey) -> CertificateChain {
        if let own { return try CertificateChain(roots: own) }
        for place in places {
            guard let data = try? Data(contentsOf: URL(filePath: place)) else { continue }  // Another distribution.
            return try CertificateChain(roots: Array(data))
        }
        throw BadKey("This machine has no list of root certificates. Install ca-certificates.")
    }
}
