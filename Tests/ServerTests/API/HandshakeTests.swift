import Engine
import Instagram
import Kit
import Store
import Stripe
import TestSupport
import Testing

@testable import Server

@Suite("A platform asks whether an address is ours")
struct HandshakeTests {
    /// The webhook routes of a gateway that Meta and Stripe are set up at.
    private static func routes(_ database: any Database, _ ids: Identifiers, _ clock: TurningClock) async throws
        -> [OtherRoute]
    {
        var owned: [String: OwnedSecrets] = [:]
        let key = try WebhookSecret("0123456789abcdef0123456789abcdef", written: .text)
        for (provider, secrets) in ["instagram": [key, try .token("rye")], "stripe": [key]] {
            let app = try await database.write("app") {
                try $0.settingsApp(of: provider, id: ids.make(), at: .testNow)
            }
            owned[provider] = OwnedSecrets(app: app, secrets: secrets, version: 1)
        }
        let time = TestClock().source
        let metrics = Metrics()
        let secrets = WebhookSecrets(
            settings: owned, source: AppSecrets(database: database, vault: Vault(keyring: Keyring([])), time: time),
            time: time)
        let gateway = Gateway(
            sources: [Instagram(), Stripe()], secrets: secrets, database: database,
            rejections: RejectionLog(database: database, logger: .quiet), ids: ids, bells: Bells(),
            metrics: GatewayMetrics(metrics: metrics, logger: .quiet))
        return WebhookRoutes(
            gateway: gateway, aliases: ["meta": "instagram"], trustedProxies: [], time: time, metrics: metrics
        ).all
    }

    @Test("as text that no browser takes for a page; refused, incomplete, not asked, unknown each in their own way")
    func answers() async throws {
        try await TestAPI.with(assemble: { (Hooks(), try await Self.routes($0, $1, $2)) }) { api in
            let query = "hub.mode=subscribe&hub.challenge=%3Cscript%3E&hub.verify_token="
            for path in ["/webhooks/instagram", "/api/webhooks/instagram", "/webhooks/meta"] {
                let reply = try await api.get("\(path)?\(query)rye")
                #expect(reply.status == 200 && String(decoding: reply.body, as: UTF8.self) == "<script>")
                #expect(reply.header("Content-Type") == "text/plain; charset=utf-8")
                #expect(reply.header("X-Content-Type-Options") == "nosniff")
            }
            let wrong = try await api.get("/webhooks/instagram?\(query)wheat")
            #expect(wrong.status == 403 && wrong.code == "handshake_refused")
            let bare = try await api.get("/webhooks/instagram")
            #expect(bare.status == 400 && bare.code == "handshake_incomplete")
            let other = try await api.get("/webhooks/stripe?\(query)rye")
            #expect(other.status == 405 && other.header("Allow") == "POST")
            #expect(try await api.get("/webhooks/nobody?\(query)rye").status == 404)
        }
    }
}
