import Crypto
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
        for (provider, secrets) in ["instagram": [key, try .token("rye")], "stripe": [key], "twilio": [key]] {
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
            sources: [Instagram(), Stripe()] + Providers.webhookSources.filter { $0.about.id == "twilio" },
            secrets: secrets, database: database,
            rejections: RejectionLog(database: database, logger: .quiet), ids: ids, bells: Bells(),
            metrics: GatewayMetrics(metrics: metrics, logger: .quiet))
        return WebhookRoutes(
            gateway: gateway, aliases: ["meta": "instagram"], trustedProxies: [], time: time, metrics: metrics,
            address: "https://pb.example"
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

    @Test("by GET comes what the platform signs whole in its address; no other platform's is taken so")
    func deliveredByGET() async throws {
        try await TestAPI.with(assemble: { (Hooks(), try await Self.routes($0, $1, $2)) }) { api in
            // Longer than what is kept of an address.
            let text = String(repeating: "rye+%F0%9F%A5%96+", count: 200)
            let path = "/webhooks/twilio?MessageSid=SM1&MessageStatus=sent&Body=\(text)&To=%2B1"
            let mac = HMAC<Insecure.SHA1>.authenticationCode(
                for: Array("https://pb.example\(path)".utf8),
                using: SymmetricKey(data: Array("0123456789abcdef0123456789abcdef".utf8)))
            let signed = ["X-Twilio-Signature": String(decoding: Base64.encode(Array(mac)), as: UTF8.self)]
            for _ in 0..<2 {
                let reply = try await api.get(path, signed)
                #expect(reply.status == 200 && String(decoding: reply.body, as: UTF8.self) == "<Response/>")
            }
            for other in [path + "&x=1", path.replacing("SM1", with: "SM2"), "/webhooks/twilio"] {
                #expect(try await api.get(other, signed).status == 401)
            }
            #expect(try await api.get(path).status == 401)
            #expect(try await api.get("/webhooks/stripe?a=b", signed).header("Allow") == "POST")

            let (counts, body) = try await api.database.read("kept") { session in
                let row = try session.events(EventFilter(), ListPage(limit: 1, after: nil)).first
                return (
                    try session.rowCounts(of: ["events", "deliveries"]),
                    try row.flatMap { try session.body($0.deliveryID) }
                )
            }
            #expect(counts["events"] == 1 && body == Array(path.utf8.drop { $0 != UInt8(ascii: "?") }.dropFirst()))
        }
    }
}
