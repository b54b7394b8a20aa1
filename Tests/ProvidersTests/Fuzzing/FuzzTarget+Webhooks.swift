import ActivityPub
import AuthorizeNet
import Braintree
import Generic
import Instagram
import Kit
import PayPal
import SendGrid
import StandardWebhooks
import Stripe
import TikTok
import TikTokShop
import Twilio
import X

/// What platforms, and whoever pretends to be one, send and answer.
extension FuzzTarget {
    /// A scheme with secrets that prove its deliveries, and with others that do not. What stands first in an input
    /// says which is meant, by a letter from A on: new ones stand at the end.
    private struct Desk: Sendable {
        let source: any WebhookSource
        let scheme: WebhookScheme
        let secrets: [WebhookSecret]
        let foreign: [WebhookSecret]

        init?(_ source: any WebhookSource, _ secret: String, _ foreign: String, by scheme: WebhookScheme? = nil) {
            self.source = source
            self.scheme = scheme ?? source.webhooks
            guard let secrets = try? self.scheme.secrets(in: secret), let others = try? self.scheme.secrets(in: foreign)
            else { return nil }  // The table below is wrong, which its count says.
            (self.secrets, self.foreign) = (secrets, others)
        }
    }
    private static let (hex, other) = ("0123456789abcdef0123456789abcdef", "23456789abcdef0123456789abcdef01")
    private static let (standard, otherStandard) = (
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
    )
    private static let p256 =
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lfw0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldk"
        + "kDXZCnTNnoXQ=="
    private static let made: [Desk?] =
        [
            Desk(Stripe(), "whsec_pbdemo0000000000000000000000000A", "whsec_pbdemo0000000000000000000000000C"),
            Desk(StandardWebhooks(), standard, otherStandard), Desk(Svix(), standard, otherStandard),
            Desk(AuthorizeNet(), hex, other), Desk(Instagram(), hex, other), Desk(X(), hex, other),
            Desk(TikTok(), hex, other), Desk(Twilio(), hex, other), Desk(Generic(), hex, other),
            Desk(TikTokShop(), "key:" + hex, "key:" + other), Desk(TikTokShop(.open), "key:" + hex, "key:" + other),
            Desk(TikTokShop(.timestamped), "key:" + hex, "key:" + other),
            Desk(Braintree(), "key:" + hex, "key:" + other), Desk(SendGrid(), p256, p256),
            Desk(PayPal(), "4JH86294D6297924G", "4JH86294D6297924H"), Desk(ActivityPub(), "*", "*"),
        ] + more
    private static let more: [Desk?] =
        Instagram().callbacks.map { Desk(Instagram(), hex, other, by: $0.scheme) }
        + [Desk(PayPal(), "4JH86294D6297924G", "4JH86294D6297924H", by: asked)]
    private static let asked: WebhookScheme? = {
        let settings: [String: String] = [
            "PAYPAL_WEBHOOK_ID": "4JH86294D6297924G", "PAYPAL_VERIFICATION": "api", "PAYPAL_CLIENT_ID": "a",
            "PAYPAL_CLIENT_SECRET": "s",
        ]
        return (try? PayPal.routes(OperatorSettings { settings[$0] }))?.first?.scheme  // Its count says so.
    }()
    private static let desks = made.compactMap { $0 }
    /// Whether each line of the table could be used.
    static var areDesksWhole: Bool { desks.count == made.count }

    private static let now = Timestamp(seconds: 1_795_255_200)
    private static let letter = UInt8(ascii: "A")

    private static func chosen<Choice>(_ bytes: [UInt8], of choices: [Choice]) -> Choice? {
        guard let first = bytes.first, !choices.isEmpty else { return nil }
        return choices[Int(first &- letter) % choices.count]
    }

    // MARK: Deliveries

    /// A letter, the method and the target, lines of headers, an empty line, the body.
    static let webhooks = FuzzTarget("webhooks", seeds: signed) { bytes in
        guard let desk = chosen(bytes, of: desks) else { return }
        let (head, body) = parts(Array(bytes.dropFirst()), at: "\n\n")
        let lines = head.split(separator: "\n", omittingEmptySubsequences: false)
        let target = String(lines.first ?? "")
        let headers = lines.dropFirst().map { line in
            let (name, value) = parts(Array(line.utf8), at: ": ")
            return Field(name, String(decoding: value, as: UTF8.self))
        }
        let delivery = Delivery(
            method: "POST", target: target, url: "https://pb.example" + target, headers: headers, body: body,
            receivedAt: now)
        if proves(delivery, desk.scheme, desk.secrets), desk.source.about.id != "sendgrid" {
            try hold(!proves(delivery, desk.scheme, desk.foreign), "one secret's signature is not another's")
        }
        try hold(!proves(delivery, desk.scheme, []), "nothing proves without a secret")
        try holdQuestion(about: delivery, desk)
        if desk.scheme.comesByGET {
            let said = Delivery(
                method: "GET", target: target, url: delivery.url, headers: headers, body: delivery.query,
                receivedAt: now)
            _ = proves(said, desk.scheme, desk.secrets)
            _ = try? desk.scheme.events(said)  // Unreadable.
        }
        _ = desk.scheme.explained(delivery, with: desk.secrets)
        _ = try? desk.scheme.handshake?.answer(delivery, with: desk.secrets)  // Refused.
        guard let events = try? desk.scheme.events(delivery) else { return }  // Unreadable.
        for event in events {
            try hold(
                event.body.lowerBound >= 0 && event.body.upperBound <= body.count, "an event is a part of its body")
            try hold(event.identity.hash.count == 16, "an event has an identity")
            _ = desk.scheme.findable.read(Array(body[event.body]))
            let content = EventContent(type: event.type, occurredAt: event.occurredAt, body: Array(body[event.body]))
            _ = try? (desk.source as? any BillingSource)?.billing(in: content)  // Unreadable.
            _ = try? (desk.source as? any GrantTeller)?.revocation(in: content)  // Unreadable.
            _ = try? (desk.source as? any Publisher)?.news(in: content)  // Unreadable.
        }
    }

    /// Whatever comes, our question to the platform is about our own webhook and holds the body as it is.
    private static func holdQuestion(about delivery: Delivery, _ desk: Desk) throws {
        guard case .asked(let proof) = desk.scheme.verification,
            let call = (try? proof.question(delivery, desk.secrets))?.calls.first  // Forged.
        else { return }
        let members = try JSON.parse(call.outgoing.body).members ?? []
        try hold(
            members.count == 7 && members.filter { $0.name == "webhook_id" }.map(\.value) == ["4JH86294D6297924G"],
            "a question is about our own webhook")
        try hold(
            call.outgoing.body.dropLast().suffix(delivery.body.count).elementsEqual(delivery.body),
            "a question holds the body as it came")
    }

    private static func proves(_ delivery: Delivery, _ scheme: WebhookScheme, _ secrets: [WebhookSecret]) -> Bool {
        guard case .remote(let proof) = scheme.verification else {
            return (try? scheme.check(delivery, with: secrets)) != nil  // Forged.
        }
        guard let need = try? proof.need(delivery, secrets),
            let key = try? PublicKey(ed25519: [UInt8](repeating: 9, count: 32))
        else { return false }
        _ = try? proof.prove(delivery, secrets, FoundKey(key, owner: need.name))  // Forged: nobody has that key.
        return false
    }

    /// Each sample of each platform, as it would be sent.
    @Sendable private static func signed() -> [[UInt8]] {
        desks.indices.flatMap { place -> [[UInt8]] in
            let desk = desks[place]
            let ingredients = WebhookSample.Ingredients(
                id: { $0 + "0a" }, digits: { String(repeating: "7", count: $0) }, at: now)
            let samples = (desk.source as? any SampleSource)?.samples.map { $0.content(ingredients) } ?? []
            let event: JSON = [
                "id": "evt_1", "object": "event", "created": 1_795_255_198, "type": "invoice.paid",
                "data": ["object": ["id": "in_1", "customer": "cus_1", "object": "invoice"]],
            ]
            return (samples.isEmpty ? [.json(event)] : samples).map { content in
                let draft = desk.scheme.signed(
                    content.draft(to: "https://pb.example/webhooks/x"), with: desk.secrets, id: "msg_1", at: now)
                let lines = ["/webhooks/x"] + draft.headers.map { "\($0.name): \($0.value)" }
                return [letter + UInt8(place)] + Array((lines.joined(separator: "\n") + "\n\n").utf8) + draft.body
            }
        }
    }

    // MARK: Answers

    /// Readers of what platforms answer: a letter, then the answer's body.
    static let answers = FuzzTarget(
        "answers",
        seeds: [
            #"A{"object":"list","data":[{"id":"evt_1","object":"event","type":"a","created":1}],"has_more":true}"#,
            #"B{"object":"list","data":[{"id":"sub_1","object":"subscription","status":"active"}],"has_more":false}"#,
            #"C{"data":{"user":{"open_id":"o","video_count":1}},"error":{"code":"ok","message":"","log_id":""}}"#,
            #"D{"data":{"videos":[{"id":"1","create_time":1}],"cursor":1,"has_more":true},"error":{"code":"ok"}}"#,
        ]
    ) { bytes in
        let answer = Answer(status: 200, headers: [], body: Array(bytes.dropFirst()))
        _ = try? chosen(bytes, of: readers)?(answer)  // Unreadable.
        for status in [400, 401, 429, 500] {
            let answer = Answer(status: status, headers: [Field("Retry-After", "7")], body: answer.body)
            _ = Stripe().failure(in: answer, at: now)
            _ = TikTok().failure(in: answer, at: now)
        }
    }
    private static let readers: [@Sendable (Answer) throws -> Void] = {
        let question = StreamQuestion(account: "a", scopes: TikTok().streams.flatMap(\.scopes))
        let listed = Stripe().events(since: now, until: now, after: nil)
        let objects = Stripe().objects(of: "subscriptions", after: nil)
        return [{ _ = try listed.read($0) }, { _ = try objects.read($0) }]
            + TikTok().streams.map { stream in
                let call = stream.list(question)
                return { _ = try call.read($0) }
            }
    }()

    /// An actor's document, from which the key of its deliveries is read.
    static let actors = FuzzTarget(
        "actors",
        seeds: [
            """
            {"id":"https://social.example/users/a","type":"Person","publicKey":{\
            "id":"https://social.example/users/a#k","owner":"https://social.example/users/a",\
            "publicKeyPem":"-----BEGIN PUBLIC KEY-----\\nMCowBQYDK2VwAyEAJrQLj5P/\
            89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=\\n-----END PUBLIC KEY-----\\n"}}
            """
        ]
    ) { bytes in
        guard case .remote(let proof) = ActivityPub().webhooks.verification else { return }
        let url = "https://social.example/users/a"
        let need = KeyNeed(name: url + "#k", url: url)
        let document = KeyDocument(url: url, contentType: "application/activity+json", body: bytes)
        guard case .found(let found)? = try? await proof.read(need, [document], KeyTrust(certificates: nil, now: now))
        else { return }  // No key.
        try hold(found.owner?.hasPrefix("https://social.example/") == true, "a key belongs to its own server")
    }
}
