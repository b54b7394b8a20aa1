import Crypto
import CryptoExtras
import Foundation
import Testing

@testable import Kit

@Suite("Public keys")
struct PublicKeyTests {
    @Test("RSA, P-256 and Ed25519 are read, and prove what they signed")
    func kinds() throws {
        let message = Array("signed".utf8)
        let rsa = try _RSA.Signing.PrivateKey(keySize: .bits2048)
        let p256 = P256.Signing.PrivateKey()
        let ed25519 = Curve25519.Signing.PrivateKey()
        let made: [(PublicKey, [UInt8], SignatureAlgorithm)] = [
            (
                try PublicKey(pem: rsa.publicKey.pemRepresentation),
                Array(
                    try rsa.signature(for: SHA256.hash(data: message), padding: .insecurePKCS1v1_5).rawRepresentation),
                .rsaSHA256
            ),
            (
                try PublicKey(pem: rsa.publicKey.pkcs1PEMRepresentation),
                Array(try rsa.signature(for: SHA512.hash(data: message), padding: .PSS).rawRepresentation),
                .rsaPSSSHA512
            ),
            (
                try PublicKey(pem: p256.publicKey.pemRepresentation),
                Array(try p256.signature(for: SHA256.hash(data: message)).derRepresentation), .ecdsaSHA256
            ),
            (
                try PublicKey(der: Array(p256.publicKey.derRepresentation)),
                Array(try p256.signature(for: SHA256.hash(data: message)).rawRepresentation), .ecdsaSHA256Raw
            ),
            (
                try PublicKey(ed25519: Array(ed25519.publicKey.rawRepresentation)),
                Array(try ed25519.signature(for: message)), .ed25519
            ),
        ]

        for (key, signature, algorithm) in made {
            #expect(key.made(signature, over: message, by: algorithm), "\(algorithm)")
            for other in SignatureAlgorithm.allCases where other != algorithm {
                #expect(!key.made(signature, over: message, by: other))
            }
            for place in signature.indices {
                var changed = signature
                changed[place] ^= 1
                #expect(!key.made(changed, over: message, by: algorithm), "\(algorithm) byte \(place)")
            }
            #expect(!key.made(signature + [0], over: message, by: algorithm))
            #expect(!key.made([], over: message, by: algorithm))
            #expect(try PublicKey(der: key.der) == key)
        }
    }

    @Test("a key that is too short, too long or none is refused")
    func sizes() throws {
        let short = try _RSA.Signing.PrivateKey(unsafeKeySize: .init(bitCount: 1024)).publicKey
        let long = try _RSA.Signing.PublicKey(
            n: [UInt8](repeating: 0xA5, count: 513), e: [1, 0, 1] as [UInt8])
        #expect(throws: BadKey.self) { try PublicKey(pem: short.pemRepresentation) }
        #expect(throws: BadKey.self) { try PublicKey(rsa: long) }
        #expect(throws: BadKey.self) {
            try PublicKey(pem: "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----")
        }
        #expect(throws: BadKey.self) { try PublicKey(pem: "") }
    }

    @Test("PEM is read and written")
    func pem() {
        let bytes = (0..<100).map { UInt8($0) }
        let text = PEM.text("THING", bytes)
        #expect(
            PEM.blocks(of: Array("before\n\(text)between\r\n\(text)".utf8)) == [
                .init(label: "THING", bytes: bytes), .init(label: "THING", bytes: bytes),
            ])
        #expect(PEM.blocks(of: Array("-----BEGIN A-----\nQQ==\n-----END B-----".utf8)).isEmpty)
    }
}
