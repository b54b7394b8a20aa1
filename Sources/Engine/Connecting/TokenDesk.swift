public import Kit

/// Asks a platform for tokens, whose they are, and to take them back. Keeps nothing.
public struct TokenDesk: Sendable {
    /// From the first byte sent to the last byte read. Leases of refreshes last longer.
    public static let deadline = Duration.seconds(20)

    private let wire: any TokenWire
    private let now: @Sendable () -> Timestamp

    public init(wire: any TokenWire, now: @escaping @Sendable () -> Timestamp) {
        self.wire = wire
        self.now = now
    }

    /// What came of asking for tokens.
    public enum Outcome: Sendable, Equatable {
        case given(Tokens, asked: Timestamp)
        case problem(TokenProblem)
        case notSent
        /// Perhaps it was given, and nobody heard it.
        case unheard
    }

    public func ask(_ grant: Grant, of platform: any Connectable, as client: ClientCredentials) async -> Outcome {
        let asked = now()
        switch await wire.send(platform.oauth.request(grant, client: client), within: Self.deadline) {
        case .notSent: return .notSent
        case .unheard: return .unheard
        case .answered(let answer):
            do {
                return .given(try platform.oauth.tokens(in: answer, asked: asked, now: now()), asked: asked)
            } catch {
                return .problem(error)
            }
        }
    }

    /// Whose account it is; nil where the platform does not say, now or ever.
    public func account(
        of tokens: Tokens, at platform: any Connectable, as client: ClientCredentials
    ) async -> (id: String, name: String?)? {
        guard let request = platform.oauth.profileRequest(tokens.access, client: client),
            case .answered(let answer) = await wire.send(request, within: Self.deadline)
        else { return nil }
        return platform.oauth.account(in: answer)
    }

    /// Takes a grant back. False where it must be asked again; a platform that knows no such token has none to take.
    public func revoke(_ tokens: Tokens, at platform: any Connectable, as client: ClientCredentials) async -> Bool {
        guard let request = platform.oauth.revocation(of: tokens, client: client) else { return true }
        guard case .answered(let answer) = await wire.send(request, within: Self.deadline) else { return false }
        return answer.status < 500 && answer.status != 429 && answer.status != 408 && answer.status != 401
    }
}
