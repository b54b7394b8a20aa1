import FoundationEssentials
import Kit
import Store
import TestSupport
import Testing

@testable import Engine

/// Sends to a sink that libraries verify which we did not write: Tests/Counterparties/outbound-standardwebhooks.
@Suite("Outbound, for another's library", .enabled(if: ProcessInfo.processInfo.environment["PATCHBAY_SINK"] != nil))
struct OutboundCounterpartyTests {
    @Test("one request before a rotation, one within the grace, one more")
    func send() async throws {
        let environment = ProcessInfo.processInfo.environment
        let url = try #require(environment["PATCHBAY_SINK"])
        let file = try #require(environment["PATCHBAY_SINK_SECRETS"])
        try await TestDatabase.with(.sqlite) { database in
            let wire = GuardedWire(policy: GuardedWireTests.open, resolver: FixedResolver([]))
            let endpoints = Endpoints(
                database: database, wire: wire, vault: FakeVault(),
                identifiers: Identifiers(now: { Timestamp.system }), policy: GuardedWireTests.open,
                time: .system, changed: Bell(), program: "test")
            let made = try await endpoints.create(url: url)
            #expect(try await endpoints.test(made.endpoint.id)?.status == 204)
            let rotated = try #require(try await endpoints.rotateSecret(of: made.endpoint.id))
            for _ in 0..<2 { #expect(try await endpoints.test(made.endpoint.id)?.status == 204) }

            let secrets = try [made.secret.secret, rotated.secret.secret].map { secret in
                try #require(secret).reveal { String(decoding: $0, as: UTF8.self) }
            }
            try Data(secrets.joined(separator: "\n").utf8).write(to: URL(filePath: file))
            await wire.close()
        }
    }
}
