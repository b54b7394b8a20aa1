import Foundation
import Kit
import Testing

@testable import ActivityPub

@Suite("ActivityPub's inbox")
struct ActivityPubTests {
    private static let verify = Verify(ActivityPub.verifying)

    private static func verdict(_ line: JSON) async throws -> JSON {
        try JSON.parse(await verify.verdict(on: line.bytes))
    }

    @Test("the cases of RFC 9421 in Mastodon's profile come out as published")
    func rfc9421() async throws {
        let lines = try Vectors.bytes("http-signatures/rfc9421-mastodon.jsonl").split(separator: UInt8(ascii: "\n"))
        #expect(lines.count > 50)
        for line in lines {
            let vector = try JSON.parse(Array(line))
            let verdict = try await Self.verdict(vector)
            #expect(verdict["verdict"] == vector["expect"], "\(vector["why"]?.text ?? ""): \(verdict)")
            guard vector["expect"] == "accept", let base = vector["signature_base"]?.text else { continue }
            let delivery = Self.delivery(vector)
            let signature = try HTTPSignature(of: delivery, by: ActivityPub.rules)
            #expect(try signature.bases(of: delivery).map { String(decoding: $0, as: UTF8.self) } == [base])
        }
    }

    @Test("requests that the fediverse signs by the draft come out as published")
    func draft() async throws {
        let file = try JSON.parse(Vectors.bytes("http-signatures/draft-cavage.json"))
        let cases = try #require(file["generated", "cases"]?.elements)
        #expect(cases.count == 24)
        for vector in cases {
            let request = try #require(vector["request"])
            let signature: JSON = ["Signature", vector["signature_header"] ?? .null]
            let headers = (request["headers"]?.elements ?? []) + [signature]
            let body = Base64.encode(Array((request["body_utf8"]?.text ?? "").utf8))
            let line: JSON = [
                "scheme": "activitypub-cavage", "secret": file["generated", "public_key_pem"] ?? .null,
                "method": request["method"] ?? .null, "url": request["target"] ?? .null, "headers": .array(headers),
                "body_base64": .string(String(decoding: body, as: UTF8.self)),
                // Sat, 21 Nov 2026 04:10:00 GMT
                "now": 1_795_234_200,
            ]
            let verdict = try await Self.verdict(line)
            #expect(verdict["verdict"] == vector["expect"], "\(vector["name"]?.text ?? ""): \(verdict)")
        }
    }

    private static func delivery(_ line: JSON) -> Delivery {
        let url = line["url"]?.text ?? ""
        let path = url.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: true).dropFirst(2).first
        return Delivery(
            method: line["method"]?.text ?? "", target: "/" + (path.map(String.init) ?? ""), url: url,
            headers: (line["headers"]?.elements ?? []).map {
                Field($0.elements?.first?.text ?? "", $0.elements?.last?.text ?? "")
            }, body: Base64.decode(Array((line["body_base64"]?.text ?? "").utf8)) ?? [],
            receivedAt: Timestamp(seconds: line["now"]?.integer ?? 0))
    }

    // MARK: Keys

    private static let pem = """
        -----BEGIN PUBLIC KEY-----
        MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=
        -----END PUBLIC KEY-----
        """
    private static let actorURL = "https://social.example/users/lena"
    private static let need = KeyNeed(name: actorURL + "#main-key", url: actorURL)

    private static func document(
        _ json: JSON, at url: String = actorURL, type: String = "application/activity+json; charset=utf-8"
    ) -> KeyDocument {
        KeyDocument(url: url, contentType: type, body: json.bytes)
    }
    private static func key(_ id: String, owner: String = actorURL) -> JSON {
        ["id": .string(id), "owner": .string(owner), "publicKeyPem": .string(pem)]
    }
    private static func actor(_ keys: JSON, id: String = actorURL) -> JSON {
        ["id": .string(id), "type": "Person", "publicKey": keys]
    }

    @Test("an actor that lists the key has it, alone or among others")
    func actors() throws {
        let own = Self.key(Self.need.name)
        for keys in [own, [Self.key(Self.actorURL + "#old"), own]] as [JSON] {
            guard case .found(let found) = try ActorDocument.step(Self.need, [Self.document(Self.actor(keys))]) else {
                Issue.record("found")
                return
            }
            #expect(found.owner == Self.actorURL)
            #expect(found.key.kind == .ed25519)
        }
    }

    @Test("a key with an address of its own leads to its owner, who must list it")
    func bareKeys() throws {
        let need = KeyNeed(name: Self.actorURL + "/main-key", url: Self.actorURL + "/main-key")
        let bare = Self.document(Self.key(need.name), at: need.url)
        guard case .fetch(Self.actorURL) = try ActorDocument.step(need, [bare]) else {
            Issue.record("the owner comes next")
            return
        }
        let owner = Self.document(Self.actor(Self.key(need.name)))
        guard case .found = try ActorDocument.step(need, [bare, owner]) else {
            Issue.record("found")
            return
        }
        let stranger = Self.document(Self.actor(Self.key(Self.actorURL + "#other")))
        #expect(throws: BadKey.self) { try ActorDocument.step(need, [bare, stranger]) }
        // A stub of the actor, as GoToSocial serves it.
        let stub = Self.document(Self.actor(Self.key(need.name)), at: need.url)
        guard case .fetch(Self.actorURL) = try ActorDocument.step(need, [stub]) else {
            Issue.record("the actor's own address comes next")
            return
        }
        let elsewhere = Self.key(need.name, owner: "https://evil.example/users/lena")
        #expect(throws: BadKey.self) { try ActorDocument.step(need, [Self.document(elsewhere, at: need.url)]) }
    }

    @Test("what does not speak for itself has no key")
    func badActors() {
        let own = Self.key(Self.need.name)
        let documents = [
            Self.document(Self.actor(own, id: "https://other.example/users/lena")),
            Self.document(Self.actor(Self.key(Self.need.name, owner: "https://other.example/users/lena"))),
            Self.document(Self.actor(own), type: "application/json"),
            Self.document(Self.actor(own), type: "application/ld+json"),
            Self.document(Self.actor([])), Self.document(.null), Self.document(["id": 1]),
            KeyDocument(url: Self.actorURL, contentType: "application/activity+json", body: [0xFF]),
            Self.document(Self.actor(["id": .string(Self.need.name), "owner": .string(Self.actorURL)])),
            Self.document(
                Self.actor([
                    "id": .string(Self.need.name), "owner": .string(Self.actorURL), "publicKeyPem": "not a key",
                ])),
        ]
        for document in documents {
            #expect(throws: BadKey.self, "\(document)") { try ActorDocument.step(Self.need, [document]) }
        }
        let loop = Self.document(Self.actor(own, id: Self.actorURL + "2"))
        #expect(throws: BadKey.self) {
            try ActorDocument.step(Self.need, [Self.document(.null, at: Self.actorURL + "2"), loop])
        }
    }

    @Test("only servers that are taken are asked for keys")
    func servers() throws {
        func take(_ setting: String, _ host: String) throws -> Bool {
            Servers(try WebhookSecret.list(setting, written: .identifier)).take(.name(host))
        }
        #expect(try take("*", "social.example"))
        #expect(try take("social.example", "social.example"))
        #expect(try take("social.example", "a.social.example"))
        #expect(try !take("social.example", "notsocial.example"))
        #expect(try !take("*,!spam.example", "spam.example"))
        #expect(try !take("*, !spam.example", "deep.spam.example"))
        #expect(try take("*,!spam.example", "social.example"))
        #expect(try ActivityPub.routes(OperatorSettings { _ in nil }).isEmpty)
    }

    @Test("an activity is its actor's, and named within him")
    func events() throws {
        func event(_ body: String) throws -> Event {
            let delivery = Delivery(
                method: "POST", target: "/", headers: [], body: Array(body.utf8), receivedAt: .zero)
            return try ActivityPub().webhooks.events(delivery)[0]
        }
        let like = try event(#"{"id":"https://a.example/l/9","type":"Like","actor":"https://a.example/u"}"#)
        #expect(like.type == "Like")
        #expect(like.account == "https://a.example/u")
        let again = #"{"type":"Like","id":"https://a.example/l/9","actor":{"id":"https://a.example/u"}}"#
        #expect(try event(again).identity == like.identity)
        let thief = #"{"id":"https://a.example/l/9","type":"Like","actor":"https://b.example/u"}"#
        #expect(try event(thief).identity != like.identity)
        for body in ["{}", "[]", "", #"{"type":"Like"}"#, #"{"actor":"https://a.example/u"}"#] {
            #expect(throws: Unreadable.self) { try event(body) }
        }
    }

    /// Documents that another project publishes: there where their folder is.
    @Test("documents of real servers are read or refused, and never more")
    func published() throws {
        func step(_ name: String, _ need: KeyNeed, at url: String) throws -> KeyStep? {
            guard let body = Vectors.published("activitypub/actors/\(name).json") else { return nil }
            return try ActorDocument.step(
                need, [KeyDocument(url: url, contentType: "application/activity+json", body: body)])
        }
        let person = KeyNeed(name: "https://example.com/key", url: "https://example.com/key")
        if let step = try step("example.com__key", person, at: person.url) {
            guard case .fetch("https://example.com/person") = step else {
                Issue.record("the owner")
                return
            }
        }
        if let step = try step("example.com__person", person, at: "https://example.com/person") {
            guard case .found(let found) = step else {
                Issue.record("the key")
                return
            }
            #expect(found.owner == "https://example.com/person")
        }
        for name in ["example.com__cross-origin-actor", "example.com__wrong-type", "example.com__collection"] {
            guard Vectors.published("activitypub/actors/\(name).json") != nil else { continue }
            #expect(throws: BadKey.self, "\(name)") {
                let url = "https://example.com/" + name.dropFirst("example.com__".count)
                _ = try step(name, KeyNeed(name: url + "#main-key", url: url), at: url)
            }
        }
    }
}
