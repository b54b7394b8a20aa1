import Kit
import StandardWebhooks
import Stripe
import Testing

/// One provider's webhooks with what it takes to sign one. Every provider that receives webhooks has one here and
/// thereby runs the conformance suite.
struct Sample: Sendable, CustomTestStringConvertible {
    let source: any WebhookSource
    let secret: String
    let oldSecret: String
    let foreignSecret: String
    let body: [UInt8]
    /// Of the message, where the scheme signs one.
    var id = ""
    /// Headers whose every bit is signed or signs.
    let signedHeaders: [String]

    static let now = Timestamp(seconds: 1_795_255_200)
    static let all = [
        Sample(
            source: Stripe(), secret: "whsec_pbdemo0000000000000000000000000A",
            oldSecret: "whsec_pbdemo0000000000000000000000000B",
            foreignSecret: "whsec_pbdemo0000000000000000000000000C",
            body: Array(#"{"id":"evt_1","object":"event","created":1795255198,"type":"invoice.paid"}"#.utf8),
            signedHeaders: ["Stripe-Signature"]),
        standard(StandardWebhooks()),
        standard(Svix()),
    ]

    private static func standard(_ source: any WebhookSource) -> Sample {
        Sample(
            source: source, secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            oldSecret: "whsec_y6BrVzb69n5UsHtWHq6UOV53TFF6fZEKVDaeEmPM+9Q=",
            foreignSecret: "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",
            body: Array(#"{"type":"message.delivered","data":{}}"#.utf8), id: "msg_1",
            signedHeaders: ["webhook-id", "webhook-timestamp", "webhook-signature"])
    }

    var scheme: WebhookScheme { source.webhooks }
    var signatureHeader: String { signedHeaders[signedHeaders.count - 1] }
    var testDescription: String { source.about.id }

    func secrets(_ texts: String...) throws -> [WebhookSecret] { try texts.flatMap { try scheme.secrets(in: $0) } }

    /// A delivery of the body, signed with these secrets.
    func delivery(signed texts: String..., at time: Timestamp = now, received: Timestamp = now) throws -> Delivery {
        let secrets = try texts.flatMap { try scheme.secrets(in: $0) }
        let headers = [Field("Content-Type", "application/json")] + scheme.sign(body, with: secrets, id: id, at: time)
        return Delivery(method: "POST", target: "/webhooks/x", headers: headers, body: body, receivedAt: received)
    }
}

extension Delivery {
    func with(headers: [Field]? = nil, body: [UInt8]? = nil) -> Delivery {
        Delivery(
            method: method, target: target, headers: headers ?? self.headers, body: body ?? self.body,
            receivedAt: receivedAt)
    }
}
