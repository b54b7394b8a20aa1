public import Kit

/// Meta's `signed_request`, a field of the form that it posts when a person removes the app or asks for deletion:
/// `base64url(signature).base64url(JSON)`. Signed is the *encoded* JSON.
/// Source: developers.facebook.com/docs/development/create-an-app/app-dashboard/data-deletion-callback and
/// developers.facebook.com/docs/facebook-login/guides/advanced/manual-flow, "Deauthorize callback".
extension Instagram: SignedCallbackSource {
    public var callbacks: [SignedCallback] {
        [
            SignedCallback("/callbacks/meta/deauthorize", "deauthorize", .grantRevoked, Self.deauthorization),
            SignedCallback(
                "/callbacks/meta/data-deletion", "data_deletion", .erase, Self.signedRequest("data_deletion")),
        ]
    }
    static let deauthorization = signedRequest("deauthorize")

    /// As a scheme, so that it is proven by what proves every delivery.
    private static func signedRequest(_ type: String) -> WebhookScheme {
        WebhookScheme(
            .proof(
                WebhookProof(
                    "HMAC-SHA256", headers: [],
                    prove: { delivery, secrets throws(Forged) in
                        let request = try SignedRequest(in: delivery)
                        try request.checkAlgorithm()
                        guard secrets.contains(where: \.proves) else { throw .noSecret }
                        guard secrets.made(request.signature, over: [request.encoded], .sha256, .base64) else {
                            throw .wrongSignature
                        }
                        try request.checkEnd(at: delivery.receivedAt)
                        return nil
                    },
                    sign: { draft, secrets, _ in
                        var draft = draft
                        let payload = Base64URL.encode(draft.body)
                        let mac = Base64.decode(secrets.first?.mac(over: payload, .sha256, .base64) ?? []) ?? []
                        let value = Base64URL.encode(mac) + [UInt8(ascii: ".")] + payload
                        draft.body = FormFields.encoded([
                            Field("signed_request", String(decoding: value, as: UTF8.self))
                        ])
                        draft.headers = [Field("Content-Type", "application/x-www-form-urlencoded")]
                        return draft
                    })),
            secrets: .text, tolerance: nil, repeatsFor: .hours(36), bodyLimit: 16 << 10, handled: [type],
            events: { delivery throws(Unreadable) in [try SignedRequest.event(type, in: delivery)] })
    }
}

/// The two halves, as they came.
struct SignedRequest {
    /// In standard base64.
    let signature: [UInt8]
    /// What is signed.
    let encoded: [UInt8]
    let payload: JSON

    init(in delivery: Delivery) throws(Forged) {
        let values = FormFields(delivery.body)?.values(of: "signed_request") ?? []
        guard values.count == 1, let value = values.first else {
            throw .malformedBody(problem: "is no form with one signed_request")
        }
        let halves = value.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard halves.count == 2, let signature = Base64URL.decode(halves[0]), let payload = Base64URL.decode(halves[1])
        else { throw .malformedBody(problem: "holds a signed_request that is not two texts in base64url") }
        guard let json = try? JSON.parse(payload) else {  // The problem says enough.
            throw .malformedBody(problem: "holds a signed_request that is not JSON")
        }
        self.signature = Base64.encode(signature)
        encoded = Array(halves[1])
        self.payload = json
    }

    /// The algorithm stands in the signed half; only one counts, whatever else would fit the signature.
    func checkAlgorithm() throws(Forged) {
        guard payload["algorithm"]?.text == "HMAC-SHA256" else {
            throw .malformedBody(problem: "holds a signed_request that does not name HMAC-SHA256")
        }
    }

    /// Most say nothing of an end.
    func checkEnd(at now: Timestamp) throws(Forged) {
        guard let end = Self.time(payload["expires"]), end < now else { return }
        let beginning = Self.time(payload["issued_at"]) ?? end
        throw .tooOld(by: now - beginning, allowed: end - beginning)
    }

    /// What a person asked for: of the account, by the id that only this app knows it by.
    static func event(_ type: String, in delivery: Delivery) throws(Unreadable) -> Event {
        let request: SignedRequest
        do { request = try SignedRequest(in: delivery) } catch { throw Unreadable(error.reason) }
        let id = request.payload["user_id"]
        guard let account = id?.text ?? id?.integer.map(String.init), !account.isEmpty else {
            throw Unreadable("The signed_request names no user_id.")
        }
        let issued = time(request.payload["issued_at"])
        return Event(
            identity: EventIdentity(
                day: issued?.day ?? 0, ofParts: [Array(type.utf8), request.signature, request.encoded]),
            type: type, account: account, occurredAt: issued, body: delivery.body.indices)
    }

    /// Seconds; 0 stands for never.
    private static func time(_ json: JSON?) -> Timestamp? {
        json?.integer.flatMap { (1...99_999_999_999).contains($0) ? Timestamp(seconds: $0) : nil }
    }
}
