/// What a platform gave for an account. Sealed wherever it is kept.
public struct Tokens: Sendable, Equatable {
    public let access: Secret
    public let refresh: Secret?
    /// Counted from before the request, so that it is never later than the platform's own. Nil for never, as far as is
    /// known.
    public let expiresAt: Timestamp?
    public let refreshExpiresAt: Timestamp?
    /// What was granted; nil where the answer does not say: then as asked for.
    public let scopes: [String]?
    /// The account, where the answer names it.
    public let account: String?

    public init(
        access: Secret, refresh: Secret?, expiresAt: Timestamp?, refreshExpiresAt: Timestamp?, scopes: [String]?,
        account: String?
    ) {
        self.access = access
        self.refresh = refresh
        self.expiresAt = expiresAt
        self.refreshExpiresAt = refreshExpiresAt
        self.scopes = scopes
        self.account = account
    }
}

/// Why a token endpoint gave no token.
public enum TokenProblem: Error, Sendable, Equatable {
    /// The platform's fault, or an answer that cannot be read. Nothing is lost by waiting.
    case unavailable(retryAfter: Duration?, code: String?)
    /// The code or the refresh token is dead.
    case deadGrant(code: String?)
    /// The app credentials are not accepted: the operator must act, the account's tokens stay.
    case client(code: String?)
    /// The request itself is wrong.
    case refused(code: String?)

    /// The platform's own word, bounded.
    public var code: String? {
        switch self {
        case .unavailable(_, let code), .deadGrant(let code), .client(let code), .refused(let code): code
        }
    }

    /// The platform's word where it is one of those that are known: whatever else stands in its place may be anything,
    /// a token too.
    public func knownCode(at oauth: OAuth2) -> String? { code.flatMap { oauth.knows(error: $0) ? $0 : nil } }

    /// For logs: which of these it is, with the platform's word where that is known.
    public func word(at oauth: OAuth2) -> String {
        let name =
            switch self {
            case .unavailable: "unavailable"
            case .deadGrant: "dead_grant"
            case .client: "client"
            case .refused: "refused"
            }
        return knownCode(at: oauth).map { "\(name) \($0)" } ?? name
    }
}

extension OAuth2 {
    /// Words of the standard that the operator must hear (RFC 6749, 5.2).
    private static let clientErrors: Set<String> = [
        "invalid_client", "unauthorized_client", "unsupported_grant_type",
    ]
    /// The standard's words for a request that is wrong.
    private static let requestErrors: Set<String> = ["invalid_request", "invalid_scope", "invalid_grant"]
    private static let passingErrors: Set<String> = [
        "server_error", "temporarily_unavailable", "slow_down", "internal_error",
    ]

    /// Ours, for answers that say nothing themselves.
    private static let ownWords: Set<String> = ["no_access_token", "token_type"]

    /// Whether a word in `error` is one that means something here.
    func knows(error: String) -> Bool {
        deadGrantErrors.contains(error) || Self.clientErrors.contains(error) || Self.passingErrors.contains(error)
            || Self.requestErrors.contains(error) || Self.ownWords.contains(error)
    }

    /// Reads a token endpoint's answer: `error` counts before the status, for some say it with 200.
    ///
    /// - Parameters:
    ///   - asked: before the request left.
    ///   - now: when the answer was there.
    public func tokens(in answer: Answer, asked: Timestamp, now: Timestamp) throws(TokenProblem) -> Tokens {
        let body = answer.body.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(answer.body.dropFirst(3)) : answer.body
        let json = try? JSON.parse(body)  // A proxy's page, say: the status decides.
        if let error = json?["error"].flatMap({ $0.isNull ? nil : $0 }) {
            throw problem(OutsideText.bounded(error.text ?? "error", 64), answer, now)
        }
        guard (200..<300).contains(answer.status) else { throw problem(nil, answer, now) }
        guard let json, let access = json["access_token"]?.text, !access.isEmpty else {
            throw .unavailable(retryAfter: nil, code: "no_access_token")
        }
        if let type = json["token_type"]?.text, type.lowercased() != "bearer" {
            throw .unavailable(retryAfter: nil, code: "token_type")
        }
        let refresh = json["refresh_token"]?.text.flatMap { $0.isEmpty ? nil : Secret($0) }
        return Tokens(
            access: Secret(access), refresh: refresh,
            expiresAt: (Self.life(json["expires_in"]) ?? lifetime).map { asked + $0 },
            refreshExpiresAt: (Self.life(json["refresh_expires_in"]) ?? Self.life(json["refresh_token_expires_in"]))
                .map { asked + $0 },
            scopes: json["scope"]?.text.map(scopes(in:)),
            account: accountMember.flatMap { json[$0] }.flatMap { $0.text ?? $0.numberText })
    }

    /// Scopes as the platform lists them: by its separator, or by blanks all the same.
    public func scopes(in text: String) -> [String] {
        text.split { $0 == " " || String($0) == scopeSeparator }.prefix(100).map {
            OutsideText.bounded(String($0), 128)
        }
    }

    /// Whose account it is, as its profile says.
    public func account(in answer: Answer) -> (id: String, name: String?, scopedID: String?)? {
        guard let profile, (200..<300).contains(answer.status), let json = try? JSON.parse(answer.body) else {
            return nil
        }
        func value(_ path: [String]) -> String? {
            let found = path.reduce(Optional(json)) { $0?[$1] }
            return (found?.text ?? found?.numberText).flatMap { $0.isEmpty ? nil : OutsideText.bounded($0) }
        }
        return value(profile.id).map { ($0, value(profile.name), profile.scopedID.flatMap(value)) }
    }

    /// Seconds, as a number, a fraction or a text. What is absent, zero, negative or unreadable says nothing.
    private static func life(_ json: JSON?) -> Duration? {
        guard let text = json?.numberText ?? json?.text, text.utf8.count <= 32, let seconds = Double(text),
            seconds >= 1, seconds < 1e10
        else { return nil }
        return .seconds(Int64(seconds))
    }

    private func problem(_ code: String?, _ answer: Answer, _ now: Timestamp) -> TokenProblem {
        switch code {
        case let code? where deadGrantErrors.contains(code): .deadGrant(code: code)
        case let code? where Self.clientErrors.contains(code): .client(code: code)
        case let code? where Self.passingErrors.contains(code):
            .unavailable(retryAfter: answer.retryAfter(at: now), code: code)
        default:
            switch answer.status {
            case 401: .client(code: code)
            case 408, 425, 429, 500...: .unavailable(retryAfter: answer.retryAfter(at: now), code: code)
            // A redirect, or a page where JSON should be.
            case 300..<400: .unavailable(retryAfter: nil, code: code)
            default:
                code == nil ? .unavailable(retryAfter: nil, code: "\(answer.status)") : .refused(code: code)
            }
        }
    }
}
