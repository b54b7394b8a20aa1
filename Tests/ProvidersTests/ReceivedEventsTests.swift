import AuthorizeNet
import Braintree
import Crypto
import Generic
import Instagram
import Kit
import SendGrid
import StandardWebhooks
import Testing
import TikTok
import TikTokShop
import Twilio
import X

@Suite("Events of what platforms send")
struct ReceivedEventsTests {
    static let sources: [any SampleSource] = [
        AuthorizeNet(), Braintree(), Generic(), Instagram(), StandardWebhooks(), Svix(), TikTok(), TikTokShop(),
        Twilio(), X(),
    ]

    @Test("every sample is believed when signed, and read as the type that it is a sample of")
    func samples() throws {
        for source in Self.sources {
            let scheme = source.webhooks
            let secret = try WebhookSecret(
                StandardSignature.secret(from: Array(0..<32)), written: scheme.secretWriting.ofOne
            ).named("key")
            for sample in source.samples {
                let draft = scheme.signed(
                    sample.content(.fixed).draft(to: "https://pb.example/"), with: [secret], id: "msg_1", at: Sample.now
                )
                let delivery = Delivery(
                    method: "POST", target: "/", url: draft.url, headers: draft.headers, body: draft.body,
                    receivedAt: Sample.now)

                _ = try scheme.check(delivery, with: [secret.named(secret.name)])
                let events = try scheme.events(delivery)

                #expect(events.map(\.type) == [sample.type], "\(source.about.id)")
                #expect(events.allSatisfy { !$0.isTest })
            }
            #expect(Set(source.samples.map(\.type)).count == source.samples.count)
        }
    }

    private func events(_ source: any WebhookSource, _ body: String) throws -> [Event] {
        try source.webhooks.events(
            Delivery(method: "POST", target: "/", headers: [], body: Array(body.utf8), receivedAt: Sample.now))
    }

    // MARK: Meta

    private static let batch = """
        {"object":"instagram","entry":[{"id":"178","time":1795255200,"changes":[{"field":"comments","value":{"id":"1",\
        "text":"a"}},{"field":"mentions","value":{"media_id":"2"}}]},{"id":"179","time":1795255200123,"messaging":[\
        {"sender":{"id":"5"},"timestamp":1795255200123,"message":{"mid":"m","text":"Rye?"}}]}]}
        """

    @Test("Meta: each change and message of a batch is a fact, with its own bytes, account, time")
    func batch() throws {
        let events = try events(Instagram(), Self.batch)

        #expect(events.map(\.type) == ["comments", "mentions", "messages"])
        #expect(events.map(\.account) == ["178", "178", "179"])
        #expect(events.map(\.providerEventID) == ["1", "2", "m"])
        #expect(events[0].occurredAt == Timestamp(seconds: 1_795_255_200))
        #expect(events[2].occurredAt == Timestamp(microseconds: 1_795_255_200_123_000))
        let bytes = Array(Self.batch.utf8)
        #expect(String(decoding: bytes[events[1].body], as: UTF8.self).hasPrefix(#"{"field":"mentions""#))
    }

    /// Deliveries of several facts, and whether the platform names each of them itself.
    private static let batches: [(source: any WebhookSource, body: String)] = [
        (Instagram(), batch),
        (
            X(),
            #"{"for_user_id":"7","follow_events":[{"type":"follow","created_timestamp":"1","target":{"id":"8"}},"#
                + #"{"type":"unfollow","created_timestamp":"2","target":{"id":"9"}}],"#
                + #""tweet_create_events":[{"id_str":"21","text":"rye"},{"id_str":"22","text":"salt"}]}"#
        ),
        (
            SendGrid(),
            #"[{"email":"a@b.c","timestamp":1795255200,"event":"open"},{"email":"d@e.f","timestamp":1795255200,"#
                + #""event":"click"},{"email":"g@h.i","timestamp":1795255200,"event":"bounce","sg_event_id":"x1"}]"#
        ),
    ]

    /// Facts that are named by their bytes, whatever else they hold.
    private static func isNamedByBytes(_ event: Event, of source: any WebhookSource) -> Bool {
        source is Instagram || event.providerEventID == nil
    }

    @Test("a changed byte of one fact of a batch changes no other's identity, and its own where no id names it")
    func identities() throws {
        for (source, body) in Self.batches {
            let bytes = Array(body.utf8)
            let before = try events(source, body)
            #expect(before.count > 2 && Set(before.map(\.identity)).count == before.count)
            var looked = 0
            for (number, event) in before.enumerated() {
                for index in event.body where bytes[index] != UInt8(ascii: "\"") {
                    var changed = bytes
                    changed[index] ^= 1
                    guard let after = try? events(source, String(decoding: changed, as: UTF8.self)),
                        after.count == before.count
                    else { continue }
                    looked += 1
                    for other in before.indices where other != number {
                        #expect(after[other].identity == before[other].identity, "\(source.about.id) \(index)")
                    }
                    guard Self.isNamedByBytes(event, of: source), Self.isNamedByBytes(after[number], of: source) else {
                        continue
                    }
                    #expect(after[number].identity != event.identity, "\(source.about.id) \(index)")
                }
            }
            #expect(looked > 50)
        }
    }

    @Test("Meta: sent again at another time, in other company, a fact that has an id is the same")
    func stable() throws {
        let one = #"{"field":"comments","value":{"id":"1","text":"a"}}"#
        func alone(_ time: Int, _ fact: String) throws -> EventIdentity? {
            try events(Instagram(), #"[{"entry":[{"id":"178","time":\#(time),"changes":[\#(fact)]}]}]"#).first?.identity
        }

        #expect(try alone(1, one) == alone(2, one))
        #expect(try alone(1, one) == events(Instagram(), Self.batch).first?.identity)
        let bare = #"{"field":"follow","value":{"verb":"add"}}"#
        #expect(try alone(1, bare) != alone(2, bare))
    }

    @Test("Meta: field and value in the entry itself; the dashboard's button is a test")
    func shapes() throws {
        let direct = try events(Instagram(), #"{"entry":[{"id":"0","time":1,"field":"comments","value":{"id":"9"}}]}"#)

        #expect(direct.map(\.type) == ["comments"] && direct.map(\.isTest) == [true])
        for body in ["{}", "[]", "null", #"{"entry":[]}"#, #"{"entry":7}"#, "{", ""] {
            #expect(throws: Unreadable.self) { try events(Instagram(), body) }
        }
    }

    // MARK: Others

    @Test("X: the older API's lists are one event each, an unknown object is kept whole")
    func x() throws {
        let two = try events(
            X(), #"{"for_user_id":"7","tweet_create_events":[{"id":1,"id_str":"1"},{"id":2,"id_str":"2"}]}"#)
        #expect(two.map(\.type) == ["tweet_create_events", "tweet_create_events"] && two.map(\.account) == ["7", "7"])
        #expect(two[0].identity != two[1].identity)
        let other = try events(X(), #"{"for_user_id":"8","tweet_create_events":[{"id":1,"id_str":"1"}]}"#)
        #expect(other[0].identity != two[0].identity)
        #expect(try events(X(), #"{"something_new":[1]}"#).map(\.type) == ["unknown"])
        #expect(throws: Unreadable.self) { try events(X(), "17") }
    }

    @Test("Twilio: a status once for each message; a field that stands there twice is nobody's")
    func twilio() throws {
        let sent = try events(Twilio(), "MessageSid=SM1&MessageStatus=sent&To=%2B1")
        let delivered = try events(Twilio(), "MessageSid=SM1&MessageStatus=delivered")
        #expect(sent[0].identity != delivered[0].identity)
        #expect(try events(Twilio(), "To=%2B1&MessageStatus=sent&MessageSid=SM1")[0].identity == sent[0].identity)
        #expect(throws: Unreadable.self) { try events(Twilio(), "MessageSid=SM1&MessageSid=SM2&MessageStatus=sent") }
        #expect(try events(Twilio(), "a=b").map(\.type) == ["webhook"])
        // What is signed of a form is its fields: written otherwise it is the same.
        func named(_ body: String) throws -> EventIdentity {
            let delivery = Delivery(
                method: "POST", target: "/", url: "https://pb.example/", headers: [], body: Array(body.utf8),
                receivedAt: Sample.now)
            return try #require(try Twilio().webhooks.events(delivery).first).identity
        }
        for other in ["b=2&a=%2B1", "a=%2b1&b=2", "a=%2B1&b=2&b=2"] {
            #expect(try named(other) == named("a=%2B1&b=2"), "\(other)")
        }
    }

    @Test("Twilio by GET: the whole address is signed, and the query is what it says")
    func twilioByGET() throws {
        let secret = try WebhookSecret("0123456789abcdef0123456789abcdef", written: .text)
        let query = "MessageSid=SM1&MessageStatus=sent&To=%2B1&Body=%F0%9F%A5%96+rye"
        func delivery(_ query: String, signing signed: String, body: String? = nil) -> Delivery {
            let target = "/webhooks/twilio?" + query
            let mac = HMAC<Insecure.SHA1>.authenticationCode(
                for: Array("https://pb.example/webhooks/twilio?\(signed)".utf8),
                using: SymmetricKey(data: Array("0123456789abcdef0123456789abcdef".utf8)))
            let signature = String(decoding: Base64.encode(Array(mac)), as: UTF8.self)
            return Delivery(
                method: "GET", target: target, url: "https://pb.example" + target,
                headers: [Field("X-Twilio-Signature", signature)], body: Array((body ?? query).utf8),
                receivedAt: Sample.now)
        }
        let scheme = Twilio().webhooks
        #expect(scheme.comesByGET)
        let good = delivery(query, signing: query)
        _ = try scheme.check(good, with: [secret])
        let event = try #require(try scheme.events(good).first)
        #expect(event.type == "message.sent" && event.providerEventID == "SM1" && event.body == good.body.indices)
        #expect(try events(Twilio(), query)[0].identity == event.identity, "the same fact by POST")
        let hash = String(repeating: "0a", count: 32)
        let refused = [
            delivery(query + "&x=1", signing: query), delivery(query, signing: query, body: query + "&x=1"),
            delivery("To=1&" + query, signing: query),
            delivery(query, signing: query, body: "MessageSid=SM2&MessageStatus=sent"),
            // Signed for a JSON body: the method is not signed.
            delivery("bodySHA256=" + hash, signing: "bodySHA256=" + hash),
        ]
        for delivery in refused {
            #expect(throws: Forged.self) { try scheme.check(delivery, with: [secret]) }
        }
    }

    @Test("Twilio: a signed address does not prove a form that somebody puts behind it")
    func twilioForms() throws {
        let secret = try WebhookSecret("0123456789abcdef0123456789abcdef", written: .text)
        let sent = Twilio().webhooks.signed(
            WebhookDraft(
                url: "https://pb.example/", headers: [Field("Content-Type", "application/json")],
                body: Array("{}".utf8)), with: [secret], at: Sample.now)
        let form = sent.headers.map {
            $0.name == "Content-Type" ? Field($0.name, "application/x-www-form-urlencoded") : $0
        }
        for body in ["", "&", "&&&", "{}"] {
            let delivery = Delivery(
                method: "POST", target: "/", url: sent.url, headers: form, body: Array(body.utf8),
                receivedAt: Sample.now)
            if body.isEmpty { continue }  // Nothing is what the address alone covers.
            #expect(throws: Forged.self, "\(body)") { try Twilio().webhooks.check(delivery, with: [secret]) }
        }
    }

    @Test("a time beyond all calendars is the end of time, and no text of a platform is longer than its column")
    func bounds() throws {
        let far = try events(X(), #"{"for_user_id":"8","follow_events":[{"created_timestamp":"9223372036854775807"}]}"#)
        #expect(far[0].occurredAt == Timestamp(microseconds: .max))
        let long = Event(
            identity: EventIdentity(day: 0, of: [1]), providerEventID: String(repeating: "é\u{0}", count: 9000),
            type: String(repeating: "t", count: 9000), account: "a\u{0}b", subject: String(repeating: "s", count: 9000),
            body: 0..<1)
        for text in [long.providerEventID, long.type, long.account, long.subject] {
            #expect((text ?? "").utf8.count <= 1024 && text?.utf8.contains(0) == false)
        }
    }

    @Test("TikTok: what happened to whom, when and how names the event; the signature's time does not")
    func tiktok() throws {
        func body(_ content: String) -> String {
            """
            {"client_key":"k","event":"authorization.removed","create_time":1795255200,"user_openid":"o",\
            "content":"\(content)"}
            """
        }
        #expect(try events(TikTok(), body("1")) == events(TikTok(), body("1")))
        #expect(try events(TikTok(), body("1"))[0].identity != events(TikTok(), body("2"))[0].identity)
    }

    @Test("TikTok Shop: a number that nobody knows is a type; without a notification's id the bytes are the name")
    func shop() throws {
        let new = try events(
            TikTokShop(), #"{"type":99,"tts_notification_id":"1","shop_id":"2","timestamp":3,"data":{}}"#)
        #expect(new.map(\.type) == ["TYPE_99"])
        let bare = try events(TikTokShop(), #"{"type":3,"shop_id":"2","timestamp":3,"data":{"order_id":"4"}}"#)
        let other = try events(TikTokShop(), #"{"type":3,"shop_id":"2","timestamp":3,"data":{"order_id":"5"}}"#)
        #expect(bare[0].identity != other[0].identity && bare[0].subject == "4")
    }

    @Test(
        "Braintree: XML with what no notification has is unreadable",
        arguments: [
            "<notification><kind>check</kind>", "<notification></kind></notification>", "<notification>",
            "<!DOCTYPE n [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><notification><kind>&e;</kind></notification>",
            "<notification><kind></kind></notification>", "text",
            "<" + String(repeating: "n", count: 65) + ">",
        ])
    func xml(_ xml: String) throws {
        let payload = String(decoding: Base64.encode(Array(xml.utf8)), as: UTF8.self)
        let form = FormFields.encoded([Field("bt_signature", "a|b"), Field("bt_payload", payload)])
        #expect(throws: Unreadable.self) { try events(Braintree(), String(decoding: form, as: UTF8.self)) }
    }
}

@Suite("Senders that the operator declares")
struct DeclarationTests {
    private func problem(_ text: String) -> String? {
        do throws(BadValue) {
            _ = try Generic.routes(OperatorSettings { $0 == "GENERIC_WEBHOOKS" ? text : nil })
            return nil
        } catch { return error.reason }
    }

    @Test("an id that is null or empty names nothing: each message is its own")
    func emptyIDs() throws {
        let declaration = try Declaration(["header": "X-A", "event_id": "id"])
        func identity(_ body: String) throws -> EventIdentity {
            let delivery = Delivery(
                method: "POST", target: "/", headers: [], body: Array(body.utf8), receivedAt: Sample.now)
            return try #require(try Generic(declaration).webhooks.events(delivery).first).identity
        }
        for id in ["null", "\"\""] {
            #expect(
                try identity(#"{"id":\#(id),"n":1}"#) != identity(#"{"id":\#(id),"n":2}"#), "\(id)")
        }
        #expect(try identity(#"{"id":"a","n":1}"#) == identity(#"{"id":"a","n":2}"#))
        #expect(try identity(#"{"id":7,"n":1}"#) == identity(#"{"id":7,"n":2}"#))
    }

    @Test("a whole declaration is read, several by name, one without")
    func good() throws {
        let one = #""secrets":["0123456789abcdef"],"header":"X-A""#
        #expect(problem("{\(one)}") == nil)
        #expect(
            problem(#"{"acme":{\#(one),"algorithm":"hmac-sha512","encoding":"base64","prefix":"v1="},"b":{\#(one)}}"#)
                == nil)
        let routes = try Generic.routes(OperatorSettings { _ in #"{"acme":{\#(one)},"b":{\#(one)}}"# })
        #expect(routes.map(\.name) == ["acme", "b"])
    }

    @Test(
        "a wrong one names the sender, the member and what it should be",
        arguments: [
            ("[]", "must be an object."), ("{", "Not JSON at byte 1: it ends too early."),
            (#"{"Acme":{}}"#, #""Acme" is no name: 1 to 32 small letters, digits, - and _."#),
            (#"{"a":{"header":"X","secrets":[]}}"#, "a: secrets: must be a list of at least one text."),
            (
                #"{"a":{"header":"X","secrets":["short"]}}"#,
                "a: secrets: The secret has 5 bytes; fewer than 16 can be guessed."
            ),
            (#"{"a":{"secrets":[]}}"#, "a: header: is missing."),
            (#"{"a":{"header":"X Y"}}"#, "a: header: must be the name of a header, such as X-Signature."),
            (
                #"{"a":{"header":"X","algorithm":"md5"}}"#,
                "a: algorithm: must be one of hmac-sha256, hmac-sha1, hmac-sha512."
            ),
            (#"{"a":{"header":"X","encoding":7}}"#, "a: encoding: must be a text."),
            (
                #"{"a":{"header":"X","signed":"{timestamp}"}}"#,
                "a: signed: {body} must stand there once: what is not signed is not believed."
            ),
            (#"{"a":{"header":"X","signed":"{body"}}"#, "a: signed: a { has no }."),
            (
                #"{"a":{"header":"X","signed":"{url}{body}"}}"#,
                "a: signed: only {body}, {timestamp} and {id} stand in braces."
            ),
            (
                #"{"a":{"header":"X","signed":"{timestamp}.{body}"}}"#,
                "a: timestamp_header: is missing, and signed has {timestamp}."
            ),
            (
                #"{"a":{"header":"X","id_header":"X-Id"}}"#,
                "a: id_header: is not signed: put {id} into signed, or leave it out."
            ),
            (
                #"{"a":{"header":"X","tolerance":300}}"#,
                "a: tolerance: is for a signed time, and there is no timestamp_header."
            ),
        ])
    func wrong(text: String, reason: String) { #expect(problem(text) == reason) }

    @Test("an unknown member is named with those that are known")
    func unknown() {
        #expect(
            problem(#"{"a":{"header":"X","secret":"y"}}"#)?.hasPrefix("a: secret: is not known. Known are secrets,")
                == true)
    }
}
