import Kit
import StandardWebhooks
import TestSupport
import Testing

@testable import Engine
@testable import Server
@testable import Store

@Suite("A secret that proves the deliveries of two addresses")
struct SharedSecretTests {
    private static let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

    @Test(
        "what was captured at one is known at the other: its headers renamed, it is a repetition",
        arguments: TestEngine.all)
    func captured(engine: TestEngine) async throws {
        try await TestAPI.with(
            engine,
            assemble: { database, ids, clock in
                var settings = Settings()
                settings.standardWebhooks = [try WebhookSecret(Self.secret, written: .standard)]
                let owned = try await Instance.settingsSecrets(settings, database: database, ids: ids, now: .testNow)
                return TestAPI.gateway([StandardWebhooks(), Svix()], settings: owned)(database, ids, clock)
            }
        ) { api in
            let body = Array(#"{"type":"a.b"}"#.utf8)
            let signed = StandardSignature.sign(
                body, id: "msg_1", at: api.clock.now, with: [try WebhookSecret(Self.secret, written: .standard)])
            for (path, prefix) in [
                ("standard-webhooks", "webhook-"), ("svix", "svix-"), ("standard-webhooks", "webhook-"),
            ] {
                let headers = signed.map {
                    (prefix + $0.name.split(separator: "-")[1...].joined(separator: "-"), $0.value)
                }
                let reply = try await api.send(
                    "POST", "/webhooks/\(path)", body, headers: Dictionary(uniqueKeysWithValues: headers))
                #expect(reply.status == 200, "\(path)")
            }

            let events = try await api.get("/v1/events").data
            #expect(events.count == 1 && events.first?["duplicates"]?.integer == 2)
            #expect(try await api.get("/v1/apps").data.compactMap { $0["provider"]?.text } == ["standard-webhooks"])
        }
    }
}
