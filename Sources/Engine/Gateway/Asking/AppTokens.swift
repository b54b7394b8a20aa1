import Kit

/// Tokens of apps' own, in memory: asked for once however many wait, renewed before their end and when the platform
/// refuses one.
///
/// What it guards: the tokens, and how often they are asked for. A token that was given a moment ago and is refused is
/// not replaced at once: whoever is refused again and again must not make us ask again and again.
actor AppTokens {
    struct Token: Sendable {
        let secret: Secret
        /// Rises with each.
        let number: Int
        fileprivate let givenAt: Duration
        fileprivate let until: Duration
    }
    private typealias Flight = Task<Result<Token, AskFailure>, Never>

    /// Between two requests for a token of one app.
    static let pause = Duration.seconds(10)
    /// Where no answer says how long a token is good.
    private static let usualLife = Duration.hours(1)
    /// Apps in memory.
    private static let appsMax = 1000

    private let desk: TokenDesk
    private let clients: PlatformAsking.Clients
    private let time: TimeSource
    private var held: [ID<AppKind>: Token] = [:]
    private var failed: [ID<AppKind>: (failure: AskFailure, until: Duration)] = [:]
    private var flights: [ID<AppKind>: Flight] = [:]
    private var given = 0

    init(desk: TokenDesk, clients: @escaping PlatformAsking.Clients, time: TimeSource) {
        self.desk = desk
        self.clients = clients
        self.time = time
    }

    /// - Parameter refused: the number of a token that the platform did not accept: another one is wanted.
    func token(
        for asked: AskedDelivery, at platform: any AppAsked, refusing refused: Int? = nil
    ) async throws(AskFailure) -> Token {
        let now = time.uptime()
        if let token = held[asked.app] {
            if token.number != refused, now < token.until { return token }
            if token.number == refused, now - token.givenAt < Self.pause {
                throw .unavailable("\(platform.about.name) refuses the token that it has just given.")
            }
        }
        if let failed = failed[asked.app], now < failed.until { throw failed.failure }
        let flight = flights[asked.app] ?? Flight { await self.fly(asked, platform) }
        flights[asked.app] = flight
        return try await flight.value.get()
    }

    /// The flight ends itself, so that none is left behind by a caller who went away.
    private func fly(_ asked: AskedDelivery, _ platform: any AppAsked) async -> Result<Token, AskFailure> {
        defer { flights[asked.app] = nil }
        do {
            let token = try await obtain(asked, platform)
            if held.count >= Self.appsMax { held = [:] }
            held[asked.app] = token
            failed[asked.app] = nil
            return .success(token)
        } catch {
            if failed.count >= Self.appsMax { failed = [:] }
            failed[asked.app] = (error, time.uptime() + Self.pause)
            return .failure(error)
        }
    }

    private func obtain(_ asked: AskedDelivery, _ platform: any AppAsked) async throws(AskFailure) -> Token {
        let (name, began) = (platform.about.name, time.uptime())
        let client = try await client(of: asked, platform)
        switch await desk.ask(.client, of: platform, as: client) {
        case .given(let tokens, let at):
            given += 1
            // Renewed when a tenth of its life is left.
            let life = tokens.expiresAt.map { ($0 - at) * 9 / 10 } ?? Self.usualLife
            return Token(secret: tokens.access, number: given, givenAt: began, until: began + life)
        case .problem(.client):
            throw .unavailable("\(name) does not accept the app's client id and secret. Compare them.")
        case .problem(let problem):
            throw .unavailable("\(name) gives no token (\(problem.word(at: platform.oauth))).")
        case .notSent, .unheard: throw .unavailable("\(name) gave no answer when a token was asked for.")
        }
    }

    private func client(
        of asked: AskedDelivery, _ platform: any AppAsked
    ) async throws(AskFailure) -> ClientCredentials {
        var found = asked.client
        if found == nil {
            do { found = try await clients(asked.app, asked.provider) } catch {
                throw .unavailable("The app's secret cannot be read now.")
            }
        }
        guard let found else {
            throw .unavailable("The app \(asked.app) has no client id and secret to ask \(platform.about.name) by.")
        }
        return ClientCredentials(id: found.id, secret: found.secret, address: asked.address)
    }
}
