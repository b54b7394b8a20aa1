public import Kit

/// Meta's `signed_request`, a field of the form that it posts when a person removes the app or asks for deletion:
/// `base64url(signature).base64url(JSON)`. Signed is the *encoded* JSON.
/// Source: developers.facebook.com/docs/development/create-an-app/app-dashboard/data-deletion-callback.
extension Instagram {
    /// As a scheme, so that it is proven by what proves every delivery.
    public static let signedRequest = WebhookScheme(
        .proof(
            WebhookProof(
                "HMAC-SHA256", headers: [],
                prove: { delivery, secrets throws(Forged) in
                    let request = try SignedRequest(in: delivery)
                    guard secrets.contains(where: \.proves) else { throw .noSecret }
                    guard secrets.made(request.signature, over: [request.encoded], .sha256, .base64) else {
                        throw .wrongSignature
                    }
                    try request.check()
                    return nil
                },
                sign: { draft, secrets, _ in
                    var draft = draft
                    let payload = SignedRequest.base64URL(draft.body)
                    let mac = secrets.first?.mac(over: payload, .sha256, .base64) ?? []
                    let value = SignedRequest.urlSafe(mac) + [UInt8(ascii: ".")] + payload
                    draft.body = FormFields.encoded([Field("signed_request", String(decoding: value, as: UTF8.self))])
                    draft.headers = [Field("Content-Type", "application/x-www-form-urlencoded")]
                    return draft
                })),
        secrets: .text, tolerance: nil, repeatsFor: .hours(36), handled: .none,
        events: { _ throws(Unreadable) in throw Unreadable("It is no event.") })
}

/// The two halves, as they came.
struct SignedRequest {
    /// In the usual alphabet of base64, filled up.
    let signature: [UInt8]
    /// What is signed.
    let encoded: [UInt8]
    let payload: [UInt8]

    init(in delivery: Delivery) throws(Forged) {
        let values = FormFields(delivery.body)?.values(of: "signed_request") ?? []
        guard values.count == 1, let value = values.first else {
            throw .malformedBody(problem: "is no form with one signed_request")
        }
        let halves = value.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard halves.count == 2, let signature = Self.usual(halves[0]), let usual = Self.usual(halves[1]),
            let payload = Base64.decode(usual)
        else { throw .malformedBody(problem: "holds a signed_request that is not two texts in base64url") }
        self.signature = signature
        encoded = Array(halves[1])
        self.payload = payload
    }

    /// The algorithm stands in the signed half; only one counts.
    func check() throws(Forged) {
        guard let json = try? JSON.parse(payload) else {  // The problem says enough.
            throw .malformedBody(problem: "holds a signed_request that is not JSON")
        }
        guard json["algorithm"]?.text == "HMAC-SHA256" else {
            throw .malformedBody(problem: "holds a signed_request that does not name HMAC-SHA256")
        }
    }

    /// From base64url to base64; padding may be there or not. Nil for other characters.
    private static func usual(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        let digits = text.prefix { $0 != UInt8(ascii: "=") }
        guard text.dropFirst(digits.count).allSatisfy({ $0 == UInt8(ascii: "=") }),
            !digits.contains(UInt8(ascii: "+")), !digits.contains(UInt8(ascii: "/"))
        else { return nil }
        let usual: [UInt8] = digits.map { byte in
            switch byte {
            case UInt8(ascii: "-"): UInt8(ascii: "+")
            case UInt8(ascii: "_"): UInt8(ascii: "/")
            default: byte
            }
        }
        return usual + [UInt8](repeating: UInt8(ascii: "="), count: (4 - usual.count % 4) % 4)
    }

    static func base64URL(_ bytes: [UInt8]) -> [UInt8] { urlSafe(Base64.encode(bytes)) }

    static func urlSafe(_ text: [UInt8]) -> [UInt8] {
        text.prefix { $0 != UInt8(ascii: "=") }.map { byte in
            switch byte {
            case UInt8(ascii: "+"): UInt8(ascii: "-")
            case UInt8(ascii: "/"): UInt8(ascii: "_")
            default: byte
            }
        }
    }
}
