public import Kit

/// What Stripe counts. Source: https://docs.stripe.com/rate-limits (2026-09). In its sandbox an account has 25 a second
/// in all, which the limit of an endpoint keeps as long as one endpoint is asked.
extension Stripe: Limited {
    public var quotas: [Quota] {
        [
            Quota("requests", 100, per: .rolling(.seconds(1)), of: "requests", for: .app),
            Quota("endpoint", 25, per: .rolling(.seconds(1)), of: "requests to one endpoint", for: .endpoint),
        ]
    }

    static let usual = [Spending(1, of: "requests"), Spending(1, of: "endpoint")]
}

/// How Stripe is asked, and what its refusals mean. Source: docs/providers/stripe.md, "Errors".
extension Stripe: Callable {
    public var api: APIHost {
        APIHost(
            address: "https://api.stripe.com", addressSetting: "STRIPE_BASE_URL", keySetting: "STRIPE_SECRET_KEY",
            authorization: .bearer)
    }

    public func failure(in answer: Answer, at now: Timestamp) -> Failure? {
        guard !(200..<300).contains(answer.status) else { return nil }
        let error = (try? JSON.parse(answer.body))?["error"]  // Not JSON: a proxy's page, and the status decides.
        let code = (error?["code"]?.text ?? error?["type"]?.text).map { OutsideText.bounded($0) }
        let wait = answer.retryAfter(at: now)
        return switch (answer.status, code) {
        // The very old form of 429.
        case (429, _), (400, "rate_limit"):
            Failure(.throttled(retryAfter: wait), "Stripe takes no more calls for now. It is asked again.", code: code)
        case (401, _):
            Failure(.unauthorized, "Stripe does not accept STRIPE_SECRET_KEY. Set a key that is active.", code: code)
        case (403, _):
            Failure(
                .forbidden,
                "STRIPE_SECRET_KEY may not do this. Give it the permission: to read subscriptions and events, and to "
                    + "write webhook endpoints where they are ordered here.", code: code)
        case (404, _):
            Failure(
                .notFound, "Stripe does not know it. Compare the modes: a test key does not see live objects.",
                code: code)
        // Another request holds the object, or a part of Stripe is away.
        case (408, _), (409, _), (424, _), (500..., _):
            Failure(.unavailable(retryAfter: wait), "Stripe is not available. It is asked again.", code: code)
        default:
            Failure(.refused, "Stripe refuses the request (\(answer.status)).", code: code)
        }
    }
}
