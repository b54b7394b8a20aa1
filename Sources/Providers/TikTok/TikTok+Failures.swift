public import Kit

/// What TikTok's answers mean when they are no success. Source: developers.tiktok.com/doc/tiktok-api-v2-error-handling
/// and the pages of the posting endpoints, read 2026-05.
extension TikTok: AccountCallable {
    public var accountHost: String { Self.api }

    public func failure(in answer: Answer, at now: Timestamp) -> Failure? {
        // The code counts before the status: some errors come with 200 on purpose. The token endpoint's are flat.
        let envelope = (try? JSON.parse(answer.body))?["error"]  // What is no JSON is judged by its status.
        if let code = envelope?["code"]?.text ?? envelope?.text {
            return code == "ok" ? byStatus(answer, code: nil, at: now) : named(code, answer, at: now)
        }
        return byStatus(answer, code: nil, at: now)
    }

    private func named(_ code: String, _ answer: Answer, at now: Timestamp) -> Failure {
        let code = OutsideText.bounded(code, 100)
        if let known = Self.known[code] ?? Self.ofPosts[code] {
            return Failure(
                known.kind, known.sentence, code: code, who: known.who, effect: known.effect, quota: known.quota)
        }
        return byStatus(answer, code: code, at: now)
            ?? Failure(.refused, "TikTok refuses the request. Its code: \(code).", code: code)
    }

    private func byStatus(_ answer: Answer, code: String?, at now: Timestamp) -> Failure? {
        let wait = answer.retryAfter(at: now)
        return switch answer.status {
        case 200...299: nil
        case 401: Self.revoked(code)
        case 403: Failure(.forbidden, "TikTok does not allow this.", code: code)
        case 404: Failure(.notFound, "TikTok does not know it.", code: code)
        case 429: Failure(.throttled(retryAfter: wait), Self.tooMany, code: code)
        case 500...: Failure(.unavailable(retryAfter: wait), "TikTok is not available. It is asked again.", code: code)
        default: Failure(.refused, "TikTok refuses the request (\(answer.status)).", code: code)
        }
    }

    private static let tooMany = "TikTok takes no more calls for now. It goes on by itself."
    private static func revoked(_ code: String?) -> Failure {
        Failure(
            .unauthorized, "TikTok no longer accepts this connection. Connect the account again.", code: code,
            who: .yourUser)
    }

    struct Known: Sendable {
        let kind: Failure.Kind
        let sentence: String
        let who: Failure.Actor?
        let effect: Failure.Effect?
        let quota: String?

        init(
            _ kind: Failure.Kind, _ sentence: String, by who: Failure.Actor? = nil, effect: Failure.Effect? = nil,
            quota: String? = nil
        ) {
            self.kind = kind
            self.sentence = sentence
            self.who = who
            self.effect = effect
            self.quota = quota
        }
    }

    /// Without `Retry-After`: TikTok's windows are a minute.
    private static let minute = Failure.Kind.throttled(retryAfter: .seconds(60))

    private static let known: [String: Known] = [
        "access_token_invalid": Known(
            .unauthorized, "TikTok no longer accepts this connection. Connect the account again.", by: .yourUser),
        "scope_not_authorized": Known(
            .forbidden, "The account's owner has not allowed this. Connect again and allow what is asked for.",
            by: .yourUser),
        "scope_permission_missed": Known(
            .forbidden, "A permission is missing for what was asked. Connect again and allow it.", by: .yourUser),
        "rate_limit_exceeded": Known(minute, tooMany),
        "internal_error": Known(
            .unavailable(retryAfter: nil), "TikTok has a problem of its own. It is asked again.", effect: .possible),
        "invalid_params": Known(.refused, "TikTok refuses what was asked.", by: .operator),
        "invalid_param": Known(.refused, "TikTok refuses what was asked.", by: .operator),
    ]
}
