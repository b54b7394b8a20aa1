import Crypto

extension HMACScheme {
    /// The headers that a sender adds to this body, one signature for each secret: an outbound webhook, the demo, a
    /// test. Public keys sign nothing and are passed over.
    ///
    /// - Parameters:
    ///   - id: the message's, where the scheme signs one; without a full stop, since those separate what is signed.
    ///   - time: signed in whole seconds, where the scheme signs one.
    public func sign(
        _ body: [UInt8], with secrets: [WebhookSecret], id: String = "", at time: Timestamp
    ) -> [Field] {
        let names = headers[headers.count - 1]
        let signed = Signed(timestamp: Array(String(time.seconds).utf8), id: Array(id.utf8))
        var fields: [Field] = []
        if let name = names.id { fields.append(Field(name, id)) }
        if let name = names.timestamp { fields.append(Field(name, String(time.seconds))) }
        let members = secrets.compactMap { member(for: body, signed, with: $0) }
        fields.append(Field(names.signature, value(of: members, at: time)))
        return fields
    }

    /// One signature, with the name that it has in the header.
    private func member(for body: [UInt8], _ signed: Signed, with secret: WebhookSecret) -> String? {
        switch secret.key {
        case .shared(let key):
            let signed = signed.named(secret.name)
            let text = String(decoding: key.reveal { signature(of: body, signed, key: $0) }, as: UTF8.self)
            return switch layout {
            case .plain(let prefix): prefix + text
            case .pairs(_, let name, _): name + "=" + text
            case .versions(let name, _): name + "," + text
            }
        case .ed25519Private(let key):
            guard case .versions(_, let name) = layout else { return nil }
            return Ed25519.sign(message(body, signed), key: key).map { name + "," + $0 }
        case .ed25519Public, .token, .publicKey, .privateKey, .identifier:
            return nil
        }
    }

    private func value(of members: [String], at time: Timestamp) -> String {
        switch layout {
        case .plain: members.first ?? ""
        case .pairs(let name, _, _): (["\(name)=\(time.seconds)"] + members).joined(separator: ",")
        case .versions: members.joined(separator: " ")
        }
    }
}

extension WebhookScheme {
    /// The headers that a sender adds to this body; empty where the signature is of more than the body.
    public func sign(
        _ body: [UInt8], with secrets: [WebhookSecret], id: String = "", at time: Timestamp
    ) -> [Field] {
        guard case .hmac(let scheme) = verification else { return [] }
        return scheme.sign(body, with: secrets, id: id, at: time)
    }

    /// A request as the platform would send it: content in its wrapping, signed with all of these secrets.
    public func signed(
        _ draft: WebhookDraft, with secrets: [WebhookSecret], id: String = "", at time: Timestamp
    ) -> WebhookDraft {
        switch verification {
        case .hmac(let scheme):
            var draft = draft
            draft.headers += scheme.sign(draft.body, with: secrets, id: id, at: time)
            return draft
        case .proof(let proof): return proof.sign(draft, secrets, time)
        // Only the platform could: who holds the key that stands elsewhere, or who is asked.
        case .remote, .asked: return draft
        }
    }

    /// The names of all headers that carry the proof; empty where it stands elsewhere.
    public var signatureHeaders: [String] {
        switch verification {
        case .hmac(let scheme): ([scheme] + scheme.otherwise).flatMap { $0.headers.flatMap(\.all) }
        case .proof(let proof): proof.headers
        case .remote(let proof): proof.headers
        case .asked(let proof): proof.headers
        }
    }
}

extension Ed25519 {
    /// In base64. Nil for a key that is none.
    static func sign(_ message: [UInt8], key seed: Secret) -> String? {
        guard let key = try? seed.reveal({ try Curve25519.Signing.PrivateKey(rawRepresentation: $0) }),
            let signature = try? key.signature(for: message)
        else { return nil }
        return String(decoding: Base64.encode(Array(signature)), as: UTF8.self)
    }
}
