public import Kit

/// Webhooks proven by PayPal's own word: what came is posted to it with an app's token, and it says SUCCESS or FAILURE.
/// Source: developer.paypal.com/docs/api/webhooks/v1/#verify-webhook-signature.
extension PayPal: AppAsked, Limited {
    /// How deliveries are proven.
    public enum Proving: String, Sendable, CaseIterable {
        /// Here, by PayPal's certificate.
        case certificate
        /// By asking PayPal's API.
        case api
    }

    public var oauth: OAuth2 {
        var oauth = OAuth2(
            authorize: .init("https://www.paypal.com", "/signin/authorize"),
            token: .init(Environment.live.api, "/v1/oauth2/token"),
            settings: .init(
                clientID: "PAYPAL_CLIENT_ID", clientSecret: "PAYPAL_CLIENT_SECRET", address: "PAYPAL_BASE_URL"),
            permissions: [])
        oauth.clientAuthentication = .basic(formEncoded: false)
        // Some nine hours, where the answer does not say.
        oauth.lifetime = .hours(8)
        return oauth
    }

    public var api: APIHost {
        APIHost(
            address: Environment.live.api, addressSetting: "PAYPAL_BASE_URL", keySetting: "PAYPAL_CLIENT_SECRET",
            authorization: .bearer)
    }

    /// PayPal publishes no limits; these are ours, far above what webhooks need, so that no flood of forgeries ends in
    /// its answering 429 to everything else.
    public var quotas: [Quota] {
        [Quota("verifications", 20, per: .rolling(.seconds(1)), of: "webhook verifications", for: .app)]
    }

    /// By the status: what PayPal writes beside it is for people.
    public func failure(in answer: Answer, at now: Timestamp) -> Failure? {
        let wait = answer.retryAfter(at: now)
        return switch answer.status {
        case 200..<300: nil
        case 400, 422: Failure(.refused, "PayPal cannot read the question (\(answer.status)).")
        case 401: Failure(.unauthorized, "PayPal does not accept the app's token. Another one is asked for.")
        case 403:
            Failure(.forbidden, "PayPal does not let the app verify webhooks. Compare the app with the webhook's own.")
        case 404:
            Failure(
                .notFound, "PayPal does not know the webhook. Compare PAYPAL_WEBHOOK_ID, PAYPAL_MODE and the app.",
                who: .operator)
        case 429: Failure(.throttled(retryAfter: wait), "PayPal takes no more calls for now. It is asked again.")
        case 408, 500...: Failure(.unavailable(retryAfter: wait), "PayPal is not available. It is asked again.")
        default: Failure(.garbled, "PayPal answers \(answer.status), which is no answer to the question.")
        }
    }

    /// Longer nobody who sends a webhook waits.
    private static let patience = Duration.seconds(8)
    /// Webhooks of one app; each costs a call.
    static let idsMax = 5

    static func asking(_ origins: [String], at address: String, as client: ClientCredentials?) -> AskedProof {
        AskedProof("PayPal's word", headers: Header.all, address: address, client: client) {
            delivery, secrets throws(Forged) in
            let ids = secrets.compactMap(\.identifier).prefix(idsMax)
            guard !ids.isEmpty else { throw .noSecret }
            let presented = try presented(in: delivery)
            let certificate = try certificate(in: delivery, origins)
            // The event goes out as it came, amid our own words: were it not one whole object, what follows it would
            // be taken for ours, another webhook's id above all.
            guard delivery.body.first(where: { $0 > 0x20 }) == UInt8(ascii: "{"), isJSON(delivery.body) else {
                throw .malformedBody(problem: "is not one JSON object")
            }
            let calls = ids.map { id in
                Call<Bool>(
                    Outgoing(
                        .post, "/v1/notifications/verify-webhook-signature",
                        headers: [Field("Content-Type", "application/json")],
                        body: question(presented, certificate, webhook: id, event: delivery.body), within: patience,
                        spends: [Spending(1, of: "verifications")], repeating: .always), read: isSuccess)
            }
            return ProofQuestion(calls, claimed: SignedTime(presented.time))
        }
    }

    private static func question(
        _ presented: Presented, _ certificate: String, webhook id: [UInt8], event: [UInt8]
    ) -> [UInt8] {
        func text(_ bytes: [UInt8]) -> JSON { .string(String(decoding: bytes, as: UTF8.self)) }
        var writer = JSONWriter(capacity: event.count + 2048)
        writer.object { writer in
            writer.member("auth_algo", .string(algorithm))
            writer.member("cert_url", .string(certificate))
            writer.member("transmission_id", text(presented.id))
            writer.member("transmission_sig", text(Base64.encode(presented.signature)))
            writer.member("transmission_time", text(presented.timeText))
            writer.member("webhook_id", text(id))
            writer.member("webhook_event", raw: event)
        }
        return writer.bytes
    }

    private static func isJSON(_ body: [UInt8]) -> Bool {
        do { _ = try scan.read(body) } catch { return false }
        return true
    }

    @Sendable private static func isSuccess(_ answer: Answer) throws(Unreadable) -> Bool {
        let status = (try? JSON.parse(answer.body))?["verification_status"]?.text  // No JSON says neither.
        switch status {
        case "SUCCESS": return true
        case "FAILURE": return false
        default: throw Unreadable("verification_status is neither SUCCESS nor FAILURE.")
        }
    }
}
