import Kit
import TestSupport
import Testing

@testable import Engine
@testable import Store

@Suite("Encryption keys")
struct KeyRotationTests {
    private static let app = ID<AppKind>(stored: "app_00000000000000000000000001")
    private let ids = Identifiers(now: { .testNow })
    private let old = (id: "k1", secret: Secret([UInt8](repeating: 1, count: 32)))
    private let new = (id: "k2", secret: Secret([UInt8](repeating: 2, count: 32)))

    private func rotation(_ keys: [(id: String, secret: Secret)], _ database: any Database) -> KeyRotation {
        KeyRotation(
            database: database, vault: Vault(keyring: Keyring(keys)), ids: ids, time: TestClock().source, actor: "test")
    }

    /// Seals so many secrets of one app and one endpoint each under the old key.
    private func fill(_ database: any Database, count: Int) async throws {
        let vault = Vault(keyring: Keyring([old]))
        try await database.write("app") {
            try $0.addApp(Self.app, provider: "standard-webhooks", name: "x", at: .testNow)
        }
        for number in 0..<count {
            let id = "sec_\(number + 5000)"
            let sealed = try vault.seal(Secret("secret \(number)"), in: AppSecrets.place(id))
            try await database.write("secret") { session in
                try session.addSecret(
                    id, to: Self.app, purpose: AppSecrets.purpose, sealed: sealed.bytes, keyID: sealed.keyID,
                    expiring: nil, at: .testNow)
            }
        }
        let id = ids.make(EndpointKind.self)
        let endpoint = NewEndpoint(
            id: id, url: "https://a.example", description: nil, types: [], orderedBy: .none, signedBy: .hmac,
            secret: try endpointSecret(of: id, with: vault), createdAt: .testNow)
        try await database.write("endpoint") { _ = try $0.insert(endpoint) }
    }

    private func endpointSecret(of endpoint: ID<EndpointKind>, with vault: Vault) throws -> NewEndpointSecret {
        let id = ids.make(EndpointSecretKind.self)
        let text = StandardSignature.secret(from: ids.bytes(32))
        let sealed = try vault.seal(Array(text.utf8), context: EndpointSigner.context(id, of: endpoint))
        return NewEndpointSecret(
            id: id, endpoint: endpoint, sealed: sealed.bytes, keyID: sealed.keyID, publicKey: nil, createdAt: .testNow)
    }

    private func secret(_ number: Int, in database: any Database, _ keys: [(id: String, secret: Secret)]) async throws
        -> Secret
    {
        let row = try await database.read("secret") { session in
            try session.sealedSecrets(in: .apps, after: "sec_\(number + 4999)", limit: 1).first
        }
        let found = try #require(row)
        return try Vault(keyring: Keyring(keys)).open(found.envelope, in: found.place)
    }

    @Test(
        "rotated while secrets are read: none fails, and the old key is not needed any more", arguments: TestEngine.all)
    func rotated(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            try await fill(database, count: 450)
            let rotation = rotation([new, old], database)

            async let outcome = rotation.rotate()
            for round in 0..<200 {
                let number = round * 2
                #expect(try await secret(number, in: database, [new, old]) == Secret("secret \(number)"))
            }

            #expect(try await outcome == KeyRotation.Outcome(resealed: 451))
            #expect(try await rotation.rotate() == KeyRotation.Outcome())
            let after = try await self.rotation([new], database).audit()
            #expect(after.unopened == [])
            #expect(after.counts.map(\.keyID) == ["k2", "k2"] && after.counts.map(\.rows) == [450, 1])
            #expect(try await secret(7, in: database, [new]) == Secret("secret 7"))
            let acts = try await database.read("audit") { try $0.audit(AuditFilter(), ListPage(limit: 100)) }
            #expect(acts.map(\.action) == ["vault.audited"] + [String](repeating: "vault.resealed", count: 4))
        }
    }

    @Test("what changed since it was read is left alone", arguments: TestEngine.all)
    func overtaken(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            try await fill(database, count: 1)
            let read = try await database.read("sealed") { try $0.sealedSecrets(in: .apps, after: "", limit: 1) }
            let row = try #require(read.first)
            _ = try await rotation([new, old], database).rotate()

            let done = try await database.set("late", in: .work) { try $0.reseal(row, as: [1, 2, 3], keyID: "k3") }

            #expect(!done)
            #expect(try await secret(0, in: database, [new]) == Secret("secret 0"))
        }
    }

    @Test(
        "swapped ciphertext, swapped row, cut, wrong key id, missing key: refused and audited, the others go on",
        arguments: TestEngine.all)
    func refused(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            try await fill(database, count: 6)
            let rows = try await database.read("sealed") { try $0.sealedSecrets(in: .apps, after: "", limit: 9) }
            try #require(rows.count == 6)
            try await database.write("tamper") { session in
                _ = try session.reseal(rows[0], as: rows[1].sealed, keyID: "k1")  // Of another row.
                _ = try session.reseal(rows[1], as: Array(rows[1].sealed.dropLast()), keyID: "k1")
                _ = try session.reseal(rows[2], as: rows[2].sealed, keyID: "k2")
                _ = try session.reseal(rows[3], as: rows[3].sealed, keyID: "k0")
                try session.run("UPDATE app_secrets SET purpose = 'other' WHERE id = \(rows[4].id)")
            }

            let outcome = try await rotation([new, old], database).rotate()
            let (_, unopened) = try await rotation([new, old], database).audit()

            #expect(outcome.resealed == 2)  // The sixth, and the endpoint's.
            #expect(unopened.map(\.id) == rows.prefix(5).map(\.id))
            #expect(
                unopened.map(\.problem) == [.refused, .refused, .refused, .keyMissing("k0"), .refused])
            let audited = try await database.read("audit") { session in
                var filter = AuditFilter()
                filter.action = "vault.refused"
                return Set(try session.audit(filter, ListPage(limit: 100)).compactMap(\.subject))
            }
            #expect(audited == Set(rows.prefix(5).map(\.id)))
        }
    }
}
