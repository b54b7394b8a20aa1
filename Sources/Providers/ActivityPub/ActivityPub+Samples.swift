import Crypto
public import Kit

/// Samples of the activities that servers of the fediverse send most, and what it takes to sign one.
/// Source: w3.org/TR/activitystreams-vocabulary, docs.joinmastodon.org/spec/activitypub.
extension ActivityPub: PlayedSource {
    public var samples: [WebhookSample] { Self.all }
    public var playedWith: PlayedKey.Kind { .pair }

    /// The actor is whoever plays it: `stage` puts its address in.
    private static let actor = "{actor}"
    private static let all: [WebhookSample] = [
        sample("Follow") { _ in "https://example.com/actors/bakery" },
        sample("Undo") { with in
            [
                "type": "Follow", "id": .string(id(with)), "actor": .string(actor),
                "object": "https://example.com/actors/bakery",
            ]
        },
        sample("Create") { with in
            [
                "type": "Note", "id": .string(id(with)), "attributedTo": .string(actor),
                "published": .string(with.at.rfc3339), "content": "<p>Rye is back</p>",
            ]
        },
        sample("Like") { _ in "https://example.com/notes/1" },
        sample("Announce") { _ in "https://example.com/notes/1" },
        sample("Delete") { with in ["type": "Tombstone", "id": .string(id(with))] },
    ]

    private static func id(_ with: WebhookSample.Ingredients) -> String { actor + "/" + with.digits(12) }

    private static func sample(
        _ type: String, _ object: @escaping @Sendable (WebhookSample.Ingredients) -> JSON
    ) -> WebhookSample {
        WebhookSample(type) { with in
            .json([
                "@context": "https://www.w3.org/ns/activitystreams", "id": .string(id(with)), "type": .string(type),
                "actor": .string(actor), "published": .string(with.at.rfc3339), "object": object(with),
            ])
        }
    }

    public func stage(_ key: PlayedKey, at base: String) -> PlayedStage {
        let (path, name) = ("/actor", base + "/actor")
        let document: JSON = [
            "@context": "https://www.w3.org/ns/activitystreams", "id": .string(name), "type": "Person",
            "inbox": .string(name + "/inbox"), "preferredUsername": "trigger",
            "publicKey": [
                "id": .string(name + "#main-key"), "owner": .string(name), "publicKeyPem": .string(key.shown),
            ],
        ]
        let host = base.split(separator: "/").last.map { String($0.prefix { $0 != ":" }) } ?? "127.0.0.1"
        return PlayedStage(
            documents: [path: KeyDocument(url: name, contentType: "application/activity+json", body: document.bytes)],
            settings: ["ACTIVITYPUB_SERVERS=\(host)"],
            sign: { draft, _, time in Self.signed(draft, by: name, key, at: time) })
    }

    /// As Mastodon signs: the request's line, host, date and digest.
    private static func signed(_ draft: WebhookDraft, by actor: String, _ key: PlayedKey, at time: Timestamp)
        -> WebhookDraft
    {
        var signed = draft
        signed.body = Array(String(decoding: draft.body, as: UTF8.self).replacing(Self.actor, with: actor).utf8)
        let rest = draft.url.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false).last ?? ""
        let host = String(rest.prefix { $0 != "/" })
        let target = rest.dropFirst(host.utf8.count).isEmpty ? "/" : String(rest.dropFirst(host.utf8.count))
        let digest = "SHA-256=" + String(decoding: Base64.encode(Array(SHA256.hash(data: signed.body))), as: UTF8.self)
        let date = time.httpDate
        let text =
            "(request-target): post \(target)\nhost: \(host)\ndate: \(date)\ndigest: \(digest)"
        guard let der = key.sign(Array(text.utf8)), let raw = try? P256.Signing.ECDSASignature(derRepresentation: der)
        else { return draft }
        let signature = String(decoding: Base64.encode(Array(raw.rawRepresentation)), as: UTF8.self)
        signed.headers += [
            Field("Date", date), Field("Digest", digest),
            Field(
                "Signature",
                "keyId=\"\(actor)#main-key\",algorithm=\"hs2019\",headers=\"(request-target) host date digest\","
                    + "signature=\"\(signature)\""),
        ]
        return signed
    }
}
