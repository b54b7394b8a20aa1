import AuthorizeNet
import Braintree
import Foundation
import Instagram
import Kit
import Testing
import TikTok
import TikTokShop
import Twilio
import X

/// Published and computed cases, judged as `patchbay verify` judges them.
@Suite("Webhooks as the platforms document them")
struct ReceivedVectorsTests {
    private static let verify = Verify(
        [
            AuthorizeNet.verifying, Braintree.verifying, Instagram.verifying, TikTok.verifying, TikTokShop.verifying,
            Twilio.verifying, X.verifying,
        ].reduce(into: [:]) { $0.merge($1) { $1 } })

    /// One request, and what must come of it.
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        let scheme: String
        let secret: JSON
        var method = "POST"
        var url = "https://pb.example/webhooks/x"
        var headers: [Field] = []
        var body = ""
        var now: Int64 = 1_763_451_102
        let isGood: Bool
        var answer: String?
        var testDescription: String { "\(scheme): \(name)" }

        var line: [UInt8] {
            let line: JSON = [
                "scheme": .string(scheme), "secret": secret, "method": .string(method), "url": .string(url),
                "headers": .array(headers.map { [.string($0.name), .string($0.value)] }),
                "body_base64": .string(String(decoding: Base64.encode(Array(body.utf8)), as: UTF8.self)),
                "now": JSON(now),
            ]
            return line.bytes
        }
    }

    @Test("come out as documented", arguments: meta + handshakes + tiktok + braintree + challenges + x + published)
    func cases(_ vector: Case) async throws {
        let verdict = try JSON.parse(await Self.verify.verdict(on: vector.line))

        #expect(verdict["verdict"]?.text == (vector.isGood ? "accept" : "reject"), "\(verdict)")
        if let answer = vector.answer { #expect(verdict["answer"]?.text == answer) }
    }

    @Test("all of them are there")
    func present() {
        #expect(
            [Self.meta, Self.handshakes, Self.tiktok, Self.braintree, Self.challenges].map(\.count)
                == [12 + 7 + 12, 5, 13, 9, 6])
    }

    private static func list(_ path: String, _ name: String? = nil) -> [JSON] {
        guard let json = try? JSON.parse(Vectors.bytes(path)) else { return [] }  // `present` counts them.
        return (name == nil ? json : json[name ?? ""])?.elements ?? []
    }

    private static let meta = signatures + signedRequests + sha1
    private static let signatures = list("meta/webhook-signature.json").map { vector in
        Case(
            name: vector["name"]?.text ?? "", scheme: "meta",
            secret: ["app_secrets": [vector["app_secret"] ?? .null]],
            headers: [
                Field("X-Hub-Signature-256", vector["x_hub_signature_256"]?.text ?? ""),
                Field("X-Hub-Signature", vector["x_hub_signature"]?.text ?? ""),
            ], body: vector["body"]?.text ?? "", isGood: vector["valid"]?.boolean == true)
    }
    private static let signedRequests = list("meta/signed-request.json", "cases").map { vector in
        Case(
            name: "signed_request, " + (vector["name"]?.text ?? ""), scheme: "meta-signed-request",
            secret: ["app_secrets": [vector["app_secret"] ?? .null]],
            body: String(
                decoding: FormFields.encoded([Field("signed_request", vector["signed_request"]?.text ?? "")]),
                as: UTF8.self), isGood: vector["valid"]?.boolean == true)
    }
    private static let sha1: [Case] = list("meta/webhook-signature.json").prefix(6).flatMap { vector in
        [true, false].map { isAllowed in
            Case(
                name: "SHA-1 alone, \(isAllowed ? "allowed" : "not allowed"): \(vector["name"]?.text ?? "")",
                scheme: "meta",
                secret: ["app_secrets": [vector["app_secret"] ?? .null], "allow_sha1": .bool(isAllowed)],
                headers: [Field("X-Hub-Signature", vector["x_hub_signature"]?.text ?? "")],
                body: vector["body"]?.text ?? "", isGood: isAllowed && vector["valid"]?.boolean == true)
        }
    }

    private static let handshakes = list("meta/handshake.json").map { vector in
        let isGood = vector["status"]?.integer == 200
        return Case(
            name: vector["query"]?.text ?? "", scheme: "meta-handshake",
            secret: ["verify_tokens": [vector["verify_token"] ?? .null]], method: "GET",
            url: "https://pb.example/webhooks/instagram?" + (vector["query"]?.text ?? ""), isGood: isGood,
            answer: isGood ? vector["body"]?.text : nil)
    }

    private static let tiktok = list("tiktok/webhook-signature.json").map { vector in
        Case(
            name: vector["name"]?.text ?? "", scheme: "tiktok",
            secret: ["client_secrets": [vector["client_secret"] ?? .null]],
            headers: [Field("TikTok-Signature", vector["header"]?.text ?? "")], body: vector["body"]?.text ?? "",
            now: vector["now"]?.integer ?? 0, isGood: vector["valid"]?.boolean == true)
    }

    private static let keys: JSON = [
        "keys": [["public_key": "pb_pub_key_demo1", "private_key": "0123456789abcdef0123456789abcdef"]]
    ]
    private static let braintree = list("braintree/webhook-signatures.json", "cases").map { vector in
        Case(
            name: vector["name"]?.text ?? "", scheme: "braintree", secret: keys, body: vector["form"]?.text ?? "",
            isGood: vector["expect"] == "accept")
    }
    private static let challenges =
        list("braintree/challenge.json", "cases").map { vector in
            Case(
                name: "challenge", scheme: "braintree-challenge", secret: keys, method: "GET",
                url: "https://pb.example/?bt_challenge=" + (vector["bt_challenge"]?.text ?? ""), isGood: true,
                answer: vector["answer"]?.text)
        }
        + list("braintree/challenge.json", "refuse").map { text in
            Case(
                name: "challenge refused", scheme: "braintree-challenge", secret: keys, method: "GET",
                url: "https://pb.example/?"
                    + String(decoding: FormFields.encoded([Field("bt_challenge", text.text ?? "")]), as: UTF8.self),
                isGood: false)
        }

    private static let xSecret: JSON = ["consumer_secrets": ["xs_demo_consumer_secret_7Q2n"]]
    private static let xBody = """
        {"data":{"event_uuid":"2091000000000000001","filter":{"user_id":"1700000000000000001"},\
        "event_type":"post.mention.create","tag":"mentions","payload":{"id":"2091000000000000001",\
        "text":"hello @socialdesk","author_id":"1700000000000000002","created_at":"2026-11-20T10:15:00.000Z"}}}
        """
    private static let xSignature = Field(
        "X-Twitter-Webhooks-Signature", "sha256=9b7+T0t+a5w/oJTUjPjlmbYm9AteismkcWZO2GrPG6I=")
    private static let x = [
        Case(name: "delivery", scheme: "x", secret: xSecret, headers: [xSignature], body: xBody, isGood: true),
        Case(
            name: "a line end", scheme: "x", secret: xSecret, headers: [xSignature], body: xBody + "\n", isGood: false),
        Case(
            name: "CRC", scheme: "x-crc", secret: xSecret, method: "GET",
            url: "https://pb.example/webhooks/x?crc_token=ck-4f1d2c9a-2026", isGood: true,
            answer: #"{"response_token":"sha256=3HW+VxFidFnJcPN3e/c6qi1jYWbrNQ/5L4OWV8QGLPY="}"#),
        Case(
            name: "the CRC's signature as a delivery's", scheme: "x", secret: xSecret,
            headers: [
                Field("x-twitter-webhooks-signature", "sha256=3HW+VxFidFnJcPN3e/c6qi1jYWbrNQ/5L4OWV8QGLPY=")
            ], body: "ck-4f1d2c9a-2026", isGood: false),
        Case(
            name: "a CRC for a body", scheme: "x-crc", secret: xSecret, method: "GET",
            url: "https://pb.example/webhooks/x?crc_token=%7B%22data%22%3A1%7D", isGood: false),
    ]

    /// Cases that others publish: there where their folder is.
    private static let published = authorizeNet + twilio + shop

    private static func publishedList(_ path: String, _ name: String? = nil) -> [JSON] {
        guard let bytes = Vectors.published(path), let json = try? JSON.parse(bytes) else { return [] }
        return (name == nil ? json : json[name ?? ""])?.elements ?? []
    }
    private static let authorizeNet = publishedList("authorize-net/webhook-signatures.json", "cases").map { vector in
        Case(
            name: vector["name"]?.text ?? "", scheme: "authorize-net",
            secret: ["signature_keys": [vector["signature_key"] ?? .null]],
            headers: [Field("X-ANET-Signature", vector["header"]?.text ?? "")], body: vector["body"]?.text ?? "",
            isGood: vector["expect"] == "accept")
    }
    private static let twilio = publishedList("twilio/signatures.json", "cases").map { vector in
        let token = vector["token"] ?? .null
        let settings = vector["settings_header"]?.text.map { Field("X-Twilio-Webhooks-Signature-Settings", $0) }
        let type = vector["json_body"] == nil ? "application/x-www-form-urlencoded" : "application/json"
        return Case(
            name: vector["name"]?.text ?? "", scheme: settings == nil ? "twilio" : "twilio-shared-key",
            secret: ["auth_tokens": [token], "shared_keys": ["webhooks_sharedkey_01abc": token]],
            url: vector["url"]?.text ?? "",
            headers: [
                Field("X-Twilio-Signature", vector["signature"]?.text ?? ""), Field("Content-Type", type),
            ] + (settings.map { [$0] } ?? []), body: (vector["json_body"] ?? vector["form_body"])?.text ?? "",
            isGood: vector["expect"] == "accept")
    }
    /// The time in a body of TikTok Shop's.
    private static func signedAt(_ vector: JSON) -> Int64 {
        (try? JSON.parse(vector["body"]?.text ?? ""))?["timestamp"]?.integer ?? 1_763_451_102
    }
    private static let shop = publishedList("tiktok-shop/webhook-signature.json").map { vector in
        let isShop = vector["scheme"] == nil
        let time = vector["timestamp"]?.text ?? ""
        return Case(
            name: vector["name"]?.text ?? "", scheme: "tiktok-shop",
            secret: [
                "app_key": vector["app_key"] ?? .null, "app_secrets": [vector["app_secret"] ?? .null],
                "variant": vector["scheme"] ?? "shop",
            ],
            headers: isShop
                ? [Field("Authorization", vector["authorization"]?.text ?? "")]
                : [
                    Field("X-TikTok-Timestamp", time),
                    Field("X-TikTok-Signature", vector["x_tiktok_signature"]?.text ?? ""),
                ], body: vector["body"]?.text ?? "", now: isShop ? signedAt(vector) : Int64(time) ?? 0,
            isGood: vector["valid"]?.boolean == true)
    }
}
