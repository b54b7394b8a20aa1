import CryptoExtras
import FoundationEssentials
public import Kit
import SwiftASN1
@_spi(FixedExpiryValidationTime) import X509

/// Builds chains of certificates to the roots that it was given (RFC 5280). Pure: nothing is fetched, and the clock is
/// the caller's.
public struct CertificateChain: CertificateChecking {
    private let roots: CertificateStore
    /// How many roots there are.
    public let rootsCount: Int

    /// In bytes: a system's own list has some 250 KB.
    public static let longestRoots = 4 << 20
    /// More certificates than any sender needs; each costs a signature to check.
    private static let most = 8

    /// - Parameter pem: the certificates at which a chain may end. One that cannot be read does not count: a system's
    ///   list may hold what this program does not know.
    /// - Throws: when none can be used, or the text is beyond all bounds.
    public init(roots pem: [UInt8]) throws(BadKey) {
        guard pem.count <= Self.longestRoots else { throw BadKey("The list of certificates is too long.") }
        let certificates = PEM.blocks(of: pem).filter { $0.label == "CERTIFICATE" }.compactMap { block in
            try? Certificate(derEncoded: block.bytes)  // Left out, as said above.
        }
        guard !certificates.isEmpty else { throw BadKey("There is no certificate in PEM that could be read.") }
        roots = CertificateStore(certificates)
        rootsCount = certificates.count
    }

    public func key(
        in pem: [UInt8], by rule: CertificateRule, at now: Timestamp
    ) async throws(BadKey) -> VouchedKey {
        let given = try Self.certificates(in: pem)
        guard let leaf = given.first else { throw BadKey("There is no certificate in PEM at its address.") }
        let others = try Array(given.dropFirst()) + Self.certificates(in: rule.intermediates)
        let time = Date(timeIntervalSince1970: Double(now.seconds))
        guard leaf.notValidBefore <= time, time <= leaf.notValidAfter else {
            throw BadKey("The certificate's own time has not begun, or has ended.")
        }
        var verifier = Verifier(rootCertificates: roots) { RFC5280Policy(fixedExpiryValidationTime: time) }
        guard case .validCertificate = await verifier.validate(leaf: leaf, intermediates: CertificateStore(others))
        else {
            throw BadKey("The certificate does not lead to a root that is trusted here.")
        }
        try Self.hold(leaf, to: rule)
        guard let rsa = _RSA.Signing.PublicKey(leaf.publicKey) else {
            throw BadKey("The certificate's key is not RSA.")
        }
        return VouchedKey(
            try PublicKey(rsa: rsa),
            until: Timestamp(seconds: Int64(leaf.notValidAfter.timeIntervalSince1970.rounded(.down))))
    }

    private static func certificates(in pem: [UInt8]) throws(BadKey) -> [Certificate] {
        let blocks = PEM.blocks(of: pem).filter { $0.label == "CERTIFICATE" }
        guard blocks.count <= most else { throw BadKey("There are more than \(most) certificates.") }
        var certificates: [Certificate] = []
        for block in blocks {
            do { certificates.append(try Certificate(derEncoded: block.bytes)) } catch {
                throw BadKey("A certificate cannot be read.")
            }
        }
        return certificates
    }

    private static func hold(_ leaf: Certificate, to rule: CertificateRule) throws(BadKey) {
        do {
            if case .isCertificateAuthority? = try leaf.extensions.basicConstraints {
                throw BadKey("The certificate is one that makes others.")
            }
            if let usage = try leaf.extensions.keyUsage, !usage.digitalSignature {
                throw BadKey("The certificate is not for signatures.")
            }
            guard try names(of: leaf).contains(where: { $0.hasSuffix(rule.nameEnds) }) else {
                throw BadKey("The certificate is for another name than one that ends with \(rule.nameEnds).")
            }
        } catch let bad as BadKey {
            throw bad
        } catch {
            throw BadKey("A part of the certificate cannot be read.")
        }
    }

    /// In small letters: the alternative names where there are any, else the common name (RFC 6125, 6.4.4).
    private static func names(of leaf: Certificate) throws -> [String] {
        if let alternatives = try leaf.extensions.subjectAlternativeNames {
            return alternatives.compactMap { name in
                if case .dnsName(let name) = name { name.lowercased() } else { nil }
            }
        }
        return leaf.subject.flatMap { part in
            part.compactMap { $0.type == .RDNAttributeType.commonName ? $0.value.description.lowercased() : nil }
        }
    }
}
