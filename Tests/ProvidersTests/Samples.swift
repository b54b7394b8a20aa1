import AuthorizeNet
import Braintree
import Generic
import Instagram
import Kit
import StandardWebhooks
import Stripe
import Testing
import TikTok
import TikTokShop
import Twilio
import X

/// One provider's webhooks with what it takes to sign one. Every provider that receives webhooks has one here and
/// thereby runs the conformance suite.
struct Sample: Sendable, CustomTestStringConvertible {
    let source: any WebhookSource
    let secret: String
    let oldSecret: String
    let foreignSecret: String
    /// What is sent, before it is signed.
    let content: WebhookSample.Content
    /// Of the message, where the scheme signs one.
    var id = ""
    /// Headers whose every bit is signed or signs; the last holds the signature. Empty where it stands in the body.
    let signedHeaders: [String]
    /// One delivery may carry the signatures of several secrets.
    var carriesSeveral = false
    /// Tells sources of one platform apart.
    var variant = ""

    static let now = Timestamp(seconds: 1_795_255_200)
    /// Empty only where the declaration is wrong, which a test of its own says.
    static let declared =
        (try? Declaration.sample()).map {
            [text(Generic($0), header: "X-Acme-Signature", ["X-Acme-Time"])]
        } ?? []
    /// The senders whose lines for `verify` hold their secrets in one list.
    static let listed = [
        Sample(
            source: Stripe(), secret: "whsec_pbdemo0000000000000000000000000A",
            oldSecret: "whsec_pbdemo0000000000000000000000000B",
            foreignSecret: "whsec_pbdemo0000000000000000000000000C",
            content: .json(["id": "evt_1", "object": "event", "created": 1_795_255_198, "type": "invoice.paid"]),
            signedHeaders: ["Stripe-Signature"], carriesSeveral: true),
        standard(StandardWebhooks()),
        standard(Svix()),
    ]
    static let all =
        listed + declared + [
            text(AuthorizeNet(), header: "X-ANET-Signature"),
            text(Instagram(), header: "X-Hub-Signature-256"),
            text(X(), header: "x-twitter-webhooks-signature"),
            text(TikTok(), header: "TikTok-Signature", carriesSeveral: true),
            text(Twilio(), header: "X-Twilio-Signature"),
            named(TikTokShop(), header: "Authorization", variant: "shop"),
            named(TikTokShop(.open), header: "TikTok-Signature", variant: "open", carriesSeveral: true),
            named(
                TikTokShop(.timestamped), header: "X-TikTok-Signature", ["X-TikTok-Timestamp"], variant: "timestamped"),
            Sample(
                source: Braintree(), secret: "pk_new:0123456789abcdef0123456789abcdef",
                oldSecret: "pk_old:123456789abcdef0123456789abcdef0",
                foreignSecret: "pk_new:23456789abcdef0123456789abcdef01",
                content: .xml("<notification><kind>check</kind></notification>"), signedHeaders: []),
        ]

    private static func standard(_ source: any WebhookSource) -> Sample {
        Sample(
            source: source, secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            oldSecret: "whsec_y6BrVzb69n5UsHtWHq6UOV53TFF6fZEKVDaeEmPM+9Q=",
            foreignSecret: "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",
            content: .json(["type": "message.delivered", "data": .object([])]), id: "msg_1",
            signedHeaders: ["webhook-id", "webhook-timestamp", "webhook-signature"], carriesSeveral: true)
    }

    private static func text(
        _ source: any SampleSource, header: String, _ others: [String] = [], carriesSeveral: Bool = false
    ) -> Sample {
        Sample(
            source: source, secret: "0123456789abcdef0123456789abcdef", oldSecret: "123456789abcdef0123456789abcdef0",
            foreignSecret: "23456789abcdef0123456789abcdef01",
            content: source.samples.first?.content(.fixed) ?? .json(.null), signedHeaders: others + [header],
            carriesSeveral: carriesSeveral)
    }

    private static func named(
        _ source: any SampleSource, header: String, _ others: [String] = [], variant: String,
        carriesSeveral: Bool = false
    ) -> Sample {
        Sample(
            source: source, secret: "key:0123456789abcdef0123456789abcdef",
            oldSecret: "key:123456789abcdef0123456789abcdef0",
            foreignSecret: "key:23456789abcdef0123456789abcdef01",
            content: source.samples.first?.content(.fixed) ?? .json(.null), signedHeaders: others + [header],
            carriesSeveral: carriesSeveral, variant: variant)
    }

    var scheme: WebhookScheme { source.webhooks }
    var signatureHeader: String { signedHeaders.last ?? "" }
    var testDescription: String { source.about.id + (variant.isEmpty ? "" : " \(variant)") }
    /// What a proven signature says of its time.
    var signedAt: Timestamp? {
        scheme.timeInBody == nil ? scheme.tolerance.map { _ in Self.now } : WebhookSample.Ingredients.fixed.at
    }

    func secrets(_ texts: String...) throws -> [WebhookSecret] { try texts.flatMap { try scheme.secrets(in: $0) } }

    /// A delivery of the content, signed with these secrets.
    func delivery(signed texts: String..., at time: Timestamp = now, received: Timestamp = now) throws -> Delivery {
        let secrets = try texts.flatMap { try scheme.secrets(in: $0) }
        let draft = scheme.signed(
            content.draft(to: "https://pb.example/webhooks/x"), with: secrets, id: id, at: time)
        return Delivery(
            method: "POST", target: "/webhooks/x", url: draft.url, headers: draft.headers, body: draft.body,
            receivedAt: received)
    }
}

extension WebhookSample.Ingredients {
    /// The same whenever a sample is made.
    static let fixed = Self(
        id: { $0 + "0a" }, digits: { String(repeating: "7", count: $0) }, at: Timestamp(seconds: 1_795_255_198))
}

extension Declaration {
    static func sample() throws -> Declaration {
        try Declaration([
            "header": "X-Acme-Signature", "prefix": "sha256=", "signed": "{timestamp}.{body}",
            "timestamp_header": "X-Acme-Time", "event_id": "id",
        ])
    }
}

extension Delivery {
    func with(headers: [Field]? = nil, body: [UInt8]? = nil) -> Delivery {
        Delivery(
            method: method, target: target, url: url, headers: headers ?? self.headers, body: body ?? self.body,
            receivedAt: receivedAt)
    }
}
