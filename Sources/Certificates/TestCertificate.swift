import Crypto
import CryptoExtras
import FoundationEssentials
public import Kit
import SwiftASN1
import X509

/// A certificate for tests, under a root of its own whose key is thrown away: for a tool that plays a platform which
/// signs by one.
public struct TestCertificate: Sendable {
    private static let life = Duration.days(365)

    /// PEM: the private key, its certificate, the root.
    public let text: String

    /// - Parameter name: of the host that it stands for.
    public init(for name: String, at now: Timestamp) throws(BadKey) {
        do { text = try Self.make(name, at: now) } catch { throw BadKey("No certificate can be made: \(error).") }
    }

    private static func make(_ name: String, at now: Timestamp) throws -> String {
        let (begin, end) = (date(now - .days(1)), date(now + life))
        let (rootKey, leafKey) = (P256.Signing.PrivateKey(), try _RSA.Signing.PrivateKey(keySize: .bits2048))
        let rootName = try DistinguishedName { CommonName("Patchbay, for tests") }
        let root = try Certificate(
            version: .v3, serialNumber: .init(), publicKey: .init(rootKey.publicKey), notValidBefore: begin,
            notValidAfter: end, issuer: rootName, subject: rootName, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try .init {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
                Critical(KeyUsage(keyCertSign: true))
            }, issuerPrivateKey: .init(rootKey))
        let leaf = try Certificate(
            version: .v3, serialNumber: .init(), publicKey: .init(leafKey.publicKey), notValidBefore: begin,
            notValidAfter: end, issuer: rootName, subject: try DistinguishedName { CommonName(name) },
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try .init {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                SubjectAlternativeNames([.dnsName(name)])
            }, issuerPrivateKey: .init(rootKey))
        return try [
            PEM.text("RSA PRIVATE KEY", Array(leafKey.derRepresentation)), leaf.serializeAsPEM().pemString,
            root.serializeAsPEM().pemString,
        ].joined(separator: "\n") + "\n"
    }

    private static func date(_ moment: Timestamp) -> Date {
        Date(timeIntervalSince1970: Double(moment.seconds))
    }

    /// The key in such a text.
    ///
    /// - Throws: where it is none.
    public static func key(in text: String) throws(BadKey) -> PlayedKey {
        let blocks = PEM.blocks(of: Array(text.utf8))
        let certificates = blocks.filter { $0.label == "CERTIFICATE" }.map { PEM.text($0.label, $0.bytes) }
        guard let private64 = blocks.first(where: { $0.label == "RSA PRIVATE KEY" }), certificates.count == 2,
            let key = try? _RSA.Signing.PrivateKey(derRepresentation: private64.bytes)
        else { throw BadKey("The file does not hold an RSA key, its certificate and the root. Let --key make one.") }
        return PlayedKey(shown: certificates[0], root: certificates[1]) { message in
            let signature = try? key.signature(for: SHA256.hash(data: message), padding: .insecurePKCS1v1_5)
            return signature.map { Array($0.rawRepresentation) }  // A key that cannot sign signs nothing.
        }
    }
}
