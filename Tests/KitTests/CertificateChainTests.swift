import Certificates
import Foundation
import Kit
import Testing

@Suite("Chains of certificates")
struct CertificateChainTests {
    static let now = Timestamp(seconds: 1_795_255_200)
    static func pem(_ names: String...) throws -> [UInt8] {
        try names.flatMap { try Vectors.bytes("paypal/pki/\($0).pem") }
    }
    private func key(
        _ pem: [UInt8], nameEnds: String = ".paypal.com", intermediates: [UInt8]? = nil, roots: [UInt8]? = nil,
        at now: Timestamp = now
    ) async throws -> VouchedKey {
        let chain = try CertificateChain(roots: roots ?? Self.pem("root"))
        let rule = CertificateRule(nameEnds: nameEnds, intermediates: try intermediates ?? Self.pem("intermediate"))
        return try await chain.key(in: pem, by: rule, at: now)
    }

    @Test("a certificate that leads to a root vouches for its key until its end")
    func good() async throws {
        let vouched = try await key(Self.pem("leaf"))
        #expect(vouched.until == Timestamp(rfc3339: "2028-01-01T00:00:00Z"))
        #expect(vouched.key.kind == .rsa)
        // What is between may come with it.
        #expect(try await key(Self.pem("leaf", "intermediate"), intermediates: []).key == vouched.key)
    }

    @Test("another name, another root, another time or no chain: it vouches for nothing")
    func bad() async throws {
        for name in ["leaf-expired", "leaf-other-name", "self-signed", "foreign-leaf", "intermediate", "root"] {
            let pem = try Self.pem(name)
            await #expect(throws: BadKey.self, "\(name)") { try await key(pem) }
        }
        let (leaf, foreign) = (try Self.pem("leaf"), try Self.pem("foreign-root"))
        await #expect(throws: BadKey.self) { try await key(leaf, nameEnds: ".aypal.com") }
        await #expect(throws: BadKey.self) { try await key(leaf, nameEnds: ".paypal.com.example") }
        await #expect(throws: BadKey.self) { try await key(leaf, intermediates: []) }
        await #expect(throws: BadKey.self) { try await key(leaf, roots: foreign) }
        await #expect(throws: BadKey.self) { try await key(leaf, at: Timestamp(seconds: 1_900_000_000)) }
        await #expect(throws: BadKey.self) { try await key([]) }
        await #expect(throws: BadKey.self) { try await key(Array(repeating: leaf, count: 9).flatMap { $0 }) }
        #expect(throws: BadKey.self) { try CertificateChain(roots: []) }
    }

    @Test("one changed byte in the certificate ends it")
    func bytes() async throws {
        let block = try #require(PEM.blocks(of: try Self.pem("leaf")).first)
        for place in stride(from: 0, to: block.bytes.count, by: 37) {
            var changed = block.bytes
            changed[place] ^= 0x10
            let pem = Array(PEM.text("CERTIFICATE", changed).utf8)
            await #expect(throws: BadKey.self, "byte \(place)") { try await key(pem) }
        }
    }
}
