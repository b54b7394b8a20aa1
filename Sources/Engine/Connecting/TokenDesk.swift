public import Kit

/// Asks a platform for tokens, whose they are, and to take them back. Keeps nothing.
public struct TokenDesk: Sendable {
    /// From the first byte sent to the last byte read. Leases of refreshes last longer.
    public static let deadline = Duration.seconds(20)

    private let calls: TokenCalls
    private let now: @Sendable () -> Timestamp

    /// - Parameter traffic: what every call passes; nil where nobody counts.
    public init(wire: any TokenWire, now: @escaping @Sendable () -> Timestamp, traffic: Traffic? = nil) {
        calls = TokenCalls(wire: wire, traffic: traffic)
        self.now = now
    }

    /// What came of asking for tokens.
    public enum Outcome: Sendable, Equatable {
        case given(Tokens, asked: Timestamp)
        case problem(TokenProblem)
        case notSent
        /// Perhaps it was given, and nobody heard it.
        case unheard

        /// For the log: our own word, and the platform's only where it is one that is known.
        func word(at oauth: OAuth2) -> String {
            switch self {
            case .given: "given"
            case .problem(let problem): problem.word(at: oauth)
            case .notSent: "not_sent"
            case .unheard: "unheard"
            }
        }
    }

    /// - Parameter connection: for which tokens are asked, where there is one.
    public func ask(
        _ grant: Grant, of platform: any TokenGiving, as client: ClientCredentials,
        for connection: ID<ConnectionKind>? = nil
    ) async -> Outcome {
        let asked = now()
        let call = TokenCalls.Call(
            request: platform.oauth.request(grant, client: client), platform: platform, connection: connection
        ) { [now] answer in
            if case .failure(let problem) = Self.read(answer, platform.oauth, asked: asked, at: now()) {
                return problem
            }
            return nil
        }
        switch await calls.send(call) {
        case .notSent: return .notSent
        case .unheard: return .unheard
        case .answered(let answer):
            switch Self.read(answer, platform.oauth, asked: asked, at: now()) {
            case .success(let tokens): return .given(tokens, asked: asked)
            case .failure(let problem): return .problem(problem)
            }
        }
    }

    private static func read(
        _ answer: Answer, _ oauth: OAuth2, asked: Timestamp, at now: Timestamp
    ) -> Result<Tokens, TokenProblem> {
        do { return .success(try oauth.tokens(in: answer, asked: asked, now: now)) } catch { return .failure(error) }
    }

    /// Whose account it is; nil where the platform does not say, now or ever.
    public func account(
        of tokens: Tokens, at platform: any Connectable, as client: ClientCredentials
    ) async -> (id: String, name: String?, scopedID: String?)? {
        guard let request = platform.oauth.profileRequest(tokens.access, client: client),
            case .answered(let answer) = await calls.send(
                TokenCalls.Call(request: request, platform: platform, connection: nil, problem: \.byStatus))
        else { return nil }
        return platform.oauth.account(in: answer)
    }

    /// Takes a grant back. False where it must be asked again; a platform that knows no such token has none to take.
    public func revoke(
        _ tokens: Tokens, at platform: any Connectable, as client: ClientCredentials,
        for connection: ID<ConnectionKind>? = nil
    ) async -> Bool {
        guard let request = platform.oauth.revocation(of: tokens, client: client) else { return true }
        let call = TokenCalls.Call(
            request: request, platform: platform, connection: connection, problem: \.byStatus)
        guard case .answered(let answer) = await calls.send(call) else { return false }
        return answer.status < 500 && answer.status != 429 && answer.status != 408 && answer.status != 401
    }
}

extension Answer {
    /// What an answer that brings no tokens says by its status alone.
    fileprivate var byStatus: TokenProblem? {
        switch status {
        case 200..<400: nil
        case 401: .client(code: nil)
        case 408, 429, 500...: .unavailable(retryAfter: nil, code: nil)
        default: .refused(code: nil)
        }
    }
}
