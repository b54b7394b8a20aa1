import Braintree
import Engine
import Generic
import Instagram
import Kit
import Logging
import StandardWebhooks
import Store
import Stripe
import TestSupport
import Testing
import TikTok
import TikTokShop
import Twilio
import X

@Suite("Platforms that shake hands, send forms, send many facts at once", .serialized)
struct ReceivingTests {
    @Test("each fact of a batch is an event of its own, kept in one commit with the others", arguments: TestEngine.all)
    func batch(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let reception = try await Reception(database)
            func comment(_ id: Int) -> String {
                #"{"field":"comments","value":{"id":"\#(id)","text":"Lovely loaf"}}"#
            }
            func batch(_ facts: [String]) -> [UInt8] {
                Array(
                    """
                    {"object":"instagram","entry":[{"id":"178","time":1795859990,"changes":[\
                    \(facts.joined(separator: ","))]},\
                    {"id":"179","time":1795859990123,"messaging":[{"sender":{"id":"1"},"timestamp":1795859990123,\
                    "message":{"mid":"m1","text":"Rye?"}}]}]}
                    """.utf8)
            }

            let first = await reception.receive(batch([comment(1), comment(2)]), from: Instagram())
            let second = await reception.receive(batch([comment(2), comment(3)]), from: Instagram())

            #expect(first == .kept(Kept(new: 3, duplicates: 0)))
            #expect(second == .kept(Kept(new: 1, duplicates: 2)))
            let counts = try await reception.counts()
            #expect(counts["events"] == 4 && counts["event_identities"] == 4 && counts["changes"] == 4)
            #expect(counts["deliveries"] == 2 && counts["bodies"] == 2 && counts["jobs"] == 0)
        }
    }

    @Test(
        "a believed body that nobody can read is kept and asked about once, however often it comes",
        arguments: TestEngine.all)
    func unreadable(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let reception = try await Reception(database)
            let sources: [any WebhookSource] = [Instagram(), X()]
            for source in sources {
                for text in ["no JSON", "nor this"] {
                    for _ in 0..<4 {
                        #expect(await reception.receive(Array(text.utf8), from: source) == .unreadable)
                    }
                }
            }
            let counts = try await reception.counts()
            #expect(counts["bodies"] == 4 && counts["deliveries"] == 4 && counts["event_identities"] == 4)
            #expect(try await database.read("reviews") { try $0.rowCounts(of: ["reviews"]) } == ["reviews": 4])
        }
    }

    @Test("after some tens of repetitions an event has no more lines of them, only their count")
    func repetitions() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let reception = try await Reception(database)
            let change = #"{"field":"comments","value":{"id":"1"}}"#
            let body = Array(#"{"object":"instagram","entry":[{"id":"1","time":1,"changes":[\#(change)]}]}"#.utf8)
            for _ in 0..<60 { _ = await reception.receive(body, from: Instagram()) }
            let duplicates = try await database.read("events") { session in
                try session.events(EventFilter(), ListPage(limit: 10)).map(\.duplicates)
            }
            #expect(duplicates == [59])
            #expect(try await reception.counts()["deliveries"] == 1 + Int(Session.repetitionsKept))
        }
    }

    @Test("each request of a call is an event of its own; sent again it is the same", arguments: TestEngine.all)
    func calls(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let reception = try await Reception(database)
            func request(_ more: Field...) -> WebhookSample.Content {
                .form([Field("CallSid", "CA1"), Field("CallStatus", "in-progress")] + more)
            }
            for content in [request(), request(Field("Digits", "1")), request(Field("Digits", "2"))] {
                #expect(await reception.receive(content, from: Twilio()) == .kept(Kept(new: 1, duplicates: 0)))
                #expect(await reception.receive(content, from: Twilio()) == .kept(Kept(new: 0, duplicates: 1)))
            }
        }
    }

    @Test(
        "the time in a body that is signed counts: late after five minutes, refused after a day unless it was seen",
        arguments: TestEngine.all)
    func timeInBody(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let reception = try await Reception(database)
            func body(_ id: String, _ age: Int64) -> [UInt8] {
                let time = Timestamp.testNow.seconds - age
                return Array(#"{"type":1,"tts_notification_id":"\#(id)","timestamp":\#(time),"data":{}}"#.utf8)
            }
            let day: Int64 = 86_400
            let late = await reception.receive(body("1", day), from: TikTokShop())
            let old = await reception.receive(body("2", day + 1), from: TikTokShop())
            let ahead = await reception.receive(body("3", -301), from: TikTokShop())
            let timeless = Array(#"{"type":3,"shop_id":"1","data":{}}"#.utf8)

            #expect(late == .kept(Kept(new: 1, duplicates: 0)))
            #expect(old == .refused(.tooOld(by: .seconds(day + 1), allowed: .days(1))))
            #expect(ahead == .refused(.tooFarAhead(by: .seconds(301), allowed: .seconds(300))))
            #expect(await reception.receive(timeless, from: TikTokShop()) == .kept(Kept(new: 1, duplicates: 0)))
            let again = await reception.receive(body("1", day), from: TikTokShop(), after: .days(3))
            #expect(again == .kept(Kept(new: 0, duplicates: 1)))
            #expect(try await reception.deliveries().filter { $0.flags == ["late"] }.count == 2)
        }
    }

    @Test("a body in which a proxy wrote escapes as letters is believed where the operator says so, and nowhere else")
    func escapes() throws {
        let signed = Array(#"{"object":"instagram","entry":[{"id":"1","name":"Caf\u00e9 \ud83c\udf5e a\/b"}]}"#.utf8)
        let sent = Array(#"{"object":"instagram","entry":[{"id":"1","name":"Café 🍞 a\/b"}]}"#.utf8)
        let key = try WebhookSecret(Reception.secret, written: .text)
        func isBelieved(_ instagram: Instagram, _ body: [UInt8]) -> Bool {
            let headers = Instagram().webhooks.sign(signed, with: [key], at: .testNow)
            let delivery = Delivery(
                method: "POST", target: "/", headers: headers, body: body, receivedAt: .testNow)
            return (try? instagram.webhooks.check(delivery, with: [key])) != nil
        }
        #expect(isBelieved(Instagram(), signed) && isBelieved(Instagram(triesEscapes: true), signed))
        #expect(isBelieved(Instagram(triesEscapes: true), sent))
        #expect(!isBelieved(Instagram(), sent))
        #expect(!isBelieved(Instagram(triesEscapes: true), sent + [UInt8(ascii: " ")]))
        #expect(!isBelieved(Instagram(triesEscapes: true), Array("{}".utf8)))
        #expect(!isBelieved(Instagram(triesEscapes: true), sent.dropLast(30) + [0xFF]))
    }

    @Test("a form is proven by the address that was set, whatever a proxy says", arguments: TestEngine.all)
    func form(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let reception = try await Reception(database)
            let form = WebhookSample.Content.form([
                Field("MessageSid", "SM1"), Field("MessageStatus", "delivered"), Field("Body", "a+b & ü"),
            ])

            let first = await reception.receive(
                form, from: Twilio(), extra: [Field("X-Forwarded-Host", "evil.example")])
            let second = await reception.receive(form, from: Twilio())
            let elsewhere = await reception.receive(form, from: Twilio(), signedFor: "https://evil.example/webhooks/x")

            #expect(first == .kept(Kept(new: 1, duplicates: 0)))
            #expect(second == .kept(Kept(new: 0, duplicates: 1)))
            #expect(elsewhere == .refused(.wrongSignature))
        }
    }

    @Test("a handshake is answered as the platform wants it, and leaves nothing behind", arguments: TestEngine.all)
    func handshake(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let reception = try await Reception(database)
            let right = "hub.mode=subscribe&hub.challenge=%3Cb%3E1158&hub.verify_token=\(Reception.token)"

            #expect(
                await reception.shake(Instagram(), right)
                    == .answered(WebhookAnswer("text/plain; charset=utf-8", "<b>1158".utf8)))
            for wrong in [
                right + "x", right.replacing("subscribe", with: "unsubscribe"),
                "hub.mode=subscribe&hub.challenge=1&hub.verify_token=\(Reception.secret)",
            ] {
                guard case .refused(.refused) = await reception.shake(Instagram(), wrong) else {
                    Issue.record("\(wrong)")
                    continue
                }
            }
            for incomplete in ["", "hub.mode=subscribe", right + "&hub.verify_token=\(Reception.token)"] {
                guard case .refused(.incomplete) = await reception.shake(Instagram(), incomplete) else {
                    Issue.record("\(incomplete)")
                    continue
                }
            }
            #expect(await reception.shake(TikTok(), "a=1") == .none)
            #expect(await reception.shake(Stripe(), right) == .none)
            #expect(await reception.shake(Generic(), right) == .unknown)
            guard case .answered(let crc) = await reception.shake(X(), "crc_token=abc") else {
                Issue.record("the CRC is answered")
                return
            }
            #expect(crc.type == "application/json")
            #expect(try await reception.counts().values.allSatisfy { $0 == 0 })
        }
    }

    @Test("what is refused tells its owner what would have fitted")
    func advice() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let reception = try await Reception(database)
            let body = Array(
                #"{"type":1,"tts_notification_id":"7","shop_id":"1","timestamp":1795859990,"data":{}}"#.utf8)

            _ = await reception.receive(body, from: TikTokShop(.open))
            _ = await reception.receive(body, from: TikTok(), at: "tiktok-shop")
            _ = await reception.receive(body + [UInt8(ascii: "\n")], from: Instagram(), signed: body)
            _ = await reception.receive(body, from: Instagram(), at: "x")
            _ = await reception.receive(body, from: TikTokShop(), at: "tiktok")
            let live = Array(#"{"id":"evt_1","object":"event","type":"invoice.paid","livemode":false}"#.utf8)
            _ = await reception.receive(live, from: Stripe(), secret: "whsec_of_another_endpoint")

            let reasons = try await reception.reasons(6)
            #expect(reasons.count == 6, "\(reasons)")
            #expect(reasons.contains { $0.contains("It is a delivery of TikTok Shop") })
            #expect(reasons.contains { $0.contains("Stripe's test mode") && $0.contains("this instance is live") })
            let open = reasons.filter { $0.contains("TIKTOK_SHOP_WEBHOOK_SCHEME=open") }
            #expect(open.count == 2)
            #expect(open.contains { $0.contains("with that setting it would be believed") })
            #expect(reasons.contains { $0.contains("without the line end at its end") }, "\(reasons)")
            #expect(
                reasons.contains {
                    $0.contains("It is a delivery of Instagram: its address here is /webhooks/instagram.")
                })
        }
    }

    @Test("a bare signature in Authorization is kept with the delivery, a key for an API is not")
    func authorization() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let reception = try await Reception(database)
            let body = Array(#"{"type":1,"tts_notification_id":"7","timestamp":1795859990,"data":{}}"#.utf8)

            _ = await reception.receive(body, from: TikTokShop())
            _ = await reception.receive(body, from: TikTok(), extra: [Field("Authorization", "Bearer abcdef")], at: "x")

            let kept = try await eventually { try await reception.counts()["deliveries"] == 2 }
            #expect(kept)
            let headers = try await reception.deliveries().map { String(decoding: $0.headers, as: UTF8.self) }
            #expect(headers.contains { $0.contains("Authorization: ") })
            #expect(headers.allSatisfy { !$0.contains("Bearer") })
        }
    }

    @Test(
        "senders that the operator declares have addresses, secrets and identities of their own",
        arguments: TestEngine.all)
    func declared(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let reception = try await Reception(database)
            let body = Array(#"{"id":"1","type":"loaf.baked"}"#.utf8)

            let acme = await reception.receive(body, from: reception.acme, owner: "acme", at: "generic")
            let again = await reception.receive(body, from: reception.acme, owner: "acme", at: "generic")
            let other = await reception.receive(body, from: reception.acme, owner: "mill", at: "generic")
            let nobody = await reception.receive(body, from: reception.acme, owner: "nobody", at: "generic")
            let none = await reception.receive(body, from: reception.acme, at: "generic")

            #expect(acme == .kept(Kept(new: 1, duplicates: 0)) && again == .kept(Kept(new: 0, duplicates: 1)))
            #expect(other == .kept(Kept(new: 1, duplicates: 0)))
            #expect(nobody == .unknown && none == .unknown)
        }
    }
}

/// A gateway to which several platforms send, and a hand that signs as each does.
private struct Reception {
    static let secret = "0123456789abcdef0123456789abcdef"
    static let token = "bakery-token"
    static let address = "https://pb.example/webhooks/x"
    let database: any Database
    let gateway: Gateway
    let acme: Generic
    private let secrets: [String: [WebhookSecret]]

    init(_ database: any Database) async throws {
        self.database = database
        let ids = Identifiers(now: { .testNow })
        acme = Generic(try Declaration(["header": "X-Acme-Signature", "event_id": "id"]))
        let key = try WebhookSecret(Self.secret, written: .text)
        let secrets = [
            "instagram": [key, try .token(Self.token)], "twilio": [key], "tiktok": [key],
            "stripe": [try WebhookSecret("whsec_of_this_endpoint", written: .text)],
            "tiktok-shop": [key.named("app")], "x": [key], "generic/acme": [key], "generic/mill": [key],
        ]
        self.secrets = secrets
        var owned: [String: OwnedSecrets] = [:]
        for (route, secrets) in secrets {
            let parts = route.split(separator: "/").map(String.init)
            let app = try await database.write("app") {
                try $0.settingsApp(
                    of: parts[0], named: parts.count > 1 ? parts[1] : AppRow.settingsName, id: ids.make(), at: .testNow)
            }
            owned[route] = OwnedSecrets(app: app, secrets: secrets, version: 1)
        }
        let vault = Vault(keyring: Keyring([("k1", Secret([UInt8](repeating: 7, count: 32)))]))
        let clock = TestClock().source
        gateway = Gateway(
            sources: [Instagram(), Twilio(), TikTok(), TikTokShop(), X(), Stripe(), Generic()],
            routes: ["generic/acme": acme.webhooks, "generic/mill": acme.webhooks],
            secrets: WebhookSecrets(
                settings: owned, source: AppSecrets(database: database, vault: vault, time: clock), time: clock),
            database: database, rejections: RejectionLog(database: database, logger: .quiet), ids: ids, bells: Bells(),
            metrics: GatewayMetrics(metrics: Metrics(), logger: .quiet), takesTestEvents: false)
    }

    func receive(
        _ body: [UInt8], from source: any WebhookSource, signed: [UInt8]? = nil, extra: [Field] = [],
        owner: String? = nil, at provider: String? = nil, secret: String? = nil, after age: Duration = .zero
    ) async -> Gateway.Reply {
        let draft = WebhookDraft(
            url: Self.address, headers: [Field("Content-Type", "application/json")], body: signed ?? body)
        return await send(draft, body, source, extra, owner, provider, secret, after: age)
    }

    func receive(
        _ content: WebhookSample.Content, from source: any WebhookSource, extra: [Field] = [],
        signedFor url: String = address
    ) async -> Gateway.Reply {
        let draft = content.draft(to: url)
        return await send(draft, draft.body, source, extra, nil, nil, nil)
    }

    private func send(
        _ draft: WebhookDraft, _ body: [UInt8], _ source: any WebhookSource, _ extra: [Field], _ owner: String?,
        _ provider: String?, _ secret: String?, after age: Duration = .zero
    ) async -> Gateway.Reply {
        let route = WebhookSecrets.key(source.about.id, owner)
        let own = (try? secret.map { try source.webhooks.secrets(in: $0) }) ?? secrets[route] ?? []
        let signed = source.webhooks.signed(draft, with: own, at: .testNow)
        let delivery = Delivery(
            method: "POST", target: "/webhooks/x", url: Self.address, headers: signed.headers + extra, body: body,
            receivedAt: .testNow + age)
        return await gateway.receive(delivery, for: provider ?? source.about.id, owner: owner, from: "192.0.2.7")
    }

    func shake(_ source: any WebhookSource, _ query: String) async -> Gateway.HandshakeReply {
        let delivery = Delivery(
            method: "GET", target: "/webhooks/x?\(query)", headers: [], body: [], receivedAt: .testNow)
        return await gateway.shake(delivery, for: source.about.id, owner: nil)
    }

    func counts() async throws -> [String: Int] {
        try await database.read("counts") { session in
            try session.rowCounts(of: ["deliveries", "bodies", "event_identities", "events", "jobs", "changes"])
        }
    }

    func deliveries() async throws -> [DeliveryRow] {
        try await database.read("deliveries") { session in
            try session.deliveries(DeliveryFilter(), ListPage(limit: 100))
        }
    }

    /// Why deliveries were refused, once so many are kept.
    func reasons(_ count: Int) async throws -> [String] {
        _ = try await eventually { try await self.counts()["deliveries"] == count }
        return try await deliveries().compactMap(\.reason)
    }
}
