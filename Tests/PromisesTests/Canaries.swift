import Foundation
import Kit

/// What is marked, and where it may stand.
struct Canary: Sendable {
    let name: String
    let text: String
    /// `table.column`; of a secret none.
    var allowed: [String] = []
    /// Of the dashboard: where the paths of pages begin that are there to show it.
    var pages: [String] = []
}

/// The marked secrets and personal data of one run.
struct Canaries: Sendable {
    private var secrets = [
        Canary(name: "Stripe's webhook secret", text: "whsec_canaryStripe0123456789"),
        Canary(name: "the previous webhook secret", text: "whsec_canaryStripeOld987654321"),
        Canary(name: "Stripe's key", text: "sk_test_canary51AbCdEfGhIjKl"),
        Canary(name: "the secret of Standard Webhooks", text: "Y2FuYXJ5U3RhbmRhcmRXZWJob29rcw=="),
        Canary(name: "the encryption key", text: "Y2FuYXJ5Q2FuYXJ5Q2FuYXJ5Q2FuYXJ5Q2FuYXJ5MTI="),
        Canary(name: "a password in an address", text: "canaryPassword47"),
        Canary(name: "a key of nobody", text: "pb_test_canaryOfNobody0000000000000000"),
        Canary(name: "a browser's cookie", text: "canaryCookie5512"),
        Canary(name: "a card number that the API was sent", text: "4000056655665556"),
    ]
    /// A delivery's bytes are shown as they came, and as they were sent on.
    private static let received = ["/events/evt_", "/deliveries/dlv_", "/attempts/att_"]
    private let personal = [
        // What a platform sends is kept as it came; what it answers when asked, beside the event.
        Canary(name: "a payer's name", text: "Canaria Quillfeather", allowed: ["bodies.bytes"], pages: Self.received),
        Canary(
            name: "a payer's address", text: "canary.payer@mail.example", allowed: ["bodies.bytes"],
            pages: Self.received),
        Canary(name: "a payer's telephone", text: "+49 30 5550147", allowed: ["bodies.bytes"], pages: Self.received),
        Canary(name: "a payer's street", text: "Canary Row 11", allowed: ["bodies.bytes"], pages: Self.received),
        Canary(
            name: "a message's words", text: "the canary sings at dawn", allowed: ["bodies.bytes"], pages: Self.received
        ),
        Canary(
            name: "a payer's card number", text: "4242424242424242", allowed: ["bodies.bytes"], pages: Self.received),
        Canary(
            name: "what an unreadable delivery says", text: "canary of no use", allowed: ["bodies.bytes"],
            pages: Self.received),
        Canary(
            name: "what a forged delivery says", text: "canary of a forger", allowed: ["bodies.bytes"],
            pages: Self.received),
        // What the application says of its users.
        Canary(name: "a user's e-mail", text: "canary.user@mail.example", allowed: ["users.email"], pages: ["/users"]),
        Canary(name: "a user's name", text: "Userine Canarsky", allowed: ["users.display_name"], pages: ["/users"]),
        Canary(name: "a user's metadata", text: "canary of metadata", allowed: ["users.metadata"], pages: ["/users"]),
        // The start of an endpoint's answer is shown to its owner.
        Canary(
            name: "what a receiver answers", text: "canary in an answer", allowed: ["attempts.answer"],
            pages: ["/attempts/att_", "/endpoints/ep_"]),
    ]

    /// What whoever is asked answers: a platform to us, an application to our webhooks.
    static let platformAnswer = #"{"error":{"message":"canary in an answer","type":"api_error"}}"#

    static func environment(platform: Int) -> [String: String] {
        [
            "STRIPE_WEBHOOK_SECRET": "whsec_canaryStripe0123456789,whsec_canaryStripeOld987654321",
            "STRIPE_SECRET_KEY": "sk_test_canary51AbCdEfGhIjKl", "STRIPE_BASE_URL": "http://127.0.0.1:\(platform)",
            "STANDARD_WEBHOOKS_SECRET": "whsec_Y2FuYXJ5U3RhbmRhcmRXZWJob29rcw==",
            "PATCHBAY_ENCRYPTION_KEYS": "k1:Y2FuYXJ5Q2FuYXJ5Q2FuYXJ5Q2FuYXJ5Q2FuYXJ5MTI=",
            "PATCHBAY_ALLOW_PRIVATE_ADDRESSES": "127.0.0.0/8", "PATCHBAY_LOG": "text,debug",
        ]
    }

    /// The first key that was added.
    private(set) var key = ""

    mutating func add(secret: String) {
        if key.isEmpty { key = secret }
        secrets.append(Canary(name: "a secret made while running", text: secret))
    }

    var everywhere: [Canary] { secrets + personal }

    /// Which of all stand in what should hold none.
    func all(in places: [Data], of kind: String) -> [String] { Self.found(everywhere, in: places, of: kind) }

    /// Which secrets stand there, as text or as the bytes that they stand for.
    func secretBytes(in places: [Data], of kind: String) -> [String] {
        Self.found(secrets, in: places, of: kind)
            + secrets.flatMap { canary -> [String] in
                let text = canary.text.split(separator: "_").last.map(String.init) ?? ""
                guard let bytes = Data(base64Encoded: text), bytes.count >= 16 else { return [] }
                return places.contains { $0.range(of: bytes) != nil }
                    ? ["\(canary.name), decoded, stands in a \(kind)"] : []
            }
    }

    private static func found(_ canaries: [Canary], in places: [Data], of kind: String) -> [String] {
        canaries.flatMap { canary in
            places.filter { $0.range(of: Data(canary.text.utf8)) != nil }.map { place in
                let around = place.range(of: Data(canary.text.utf8)).map { found in
                    String(
                        decoding: place[max(place.startIndex, found.lowerBound - 80)..<found.upperBound], as: UTF8.self)
                }
                return "\(canary.name) stands in \(kind): …\(around ?? "")"
            }
        }
    }
}
