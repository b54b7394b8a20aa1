public import Kit
public import Logging

/// Asks platforms whether they sent a delivery: as every call is asked, and never so often that a forger could make
/// this server ask without end.
///
/// What it guards: what was answered, what is being asked, and who may still make us ask. A sender that never proved
/// anything has the allowance of those whose keys are fetched (`FetchBudget`), counted before the call. One that has
/// may fail as often as is looked into elsewhere, and has places of its own, so that no flood of others keeps it
/// waiting.
public actor PlatformAsking: ProofAsking {
    public struct Limits: Sendable {
        /// Questions to a platform at once, for senders that never proved anything; for the others as many beside.
        public var atOnce = 16
        /// Of the others so many more wait for a place; then the platform is told to send again.
        public var waiting = 128
        /// How long an answer is remembered.
        public var remembered = Duration.minutes(10)
        /// Answers in memory.
        public var answersMax = 10_000
        public init() {}
    }
    /// Who an app is at its platform; nil where it has no client id and secret.
    public typealias Clients = @Sendable (ID<AppKind>, _ provider: String) async throws -> ClientCredentials?

    private typealias Flight = Task<Result<Bool, AskFailure>, Never>
    private struct Flying {
        let task: Flight
        let provider: String
        let isKnown: Bool
    }
    /// The places of a platform's known senders.
    private struct Places {
        var taken = 0
        var waiting: [CheckedContinuation<Void, Never>] = []
    }
    private static let sendersMax = 10_000

    private let platforms: [String: any AppAsked]
    private let tokens: AppTokens
    private let wire: any Wire
    private let traffic: Traffic?
    private let time: TimeSource
    private let limits: Limits
    private let metrics: Metrics
    private let logger: Logger
    private var answers: [[UInt8]: (isGenuine: Bool, until: Duration)] = [:]
    private var flights: [[UInt8]: Flying] = [:]
    /// By platform: a flood at the address of one leaves the others theirs.
    private var budgets: [String: FetchBudget] = [:]
    private var places: [String: Places] = [:]
    private var failures = Allowances<String>(perMinute: FailureLimits.ofSource, keysMax: sendersMax)

    /// - Parameters:
    ///   - clients: of apps that were added through the API.
    ///   - traffic: what every call passes; nil where nobody counts.
    public init(
        _ platforms: [any AppAsked], clients: @escaping Clients, wire: any Wire, tokens: any TokenWire,
        traffic: Traffic?, time: TimeSource, limits: Limits = Limits(), metrics: Metrics, logger: Logger
    ) {
        self.platforms = Dictionary(uniqueKeysWithValues: platforms.map { ($0.about.id, $0) })
        self.tokens = AppTokens(
            desk: TokenDesk(wire: tokens, now: time.now, traffic: traffic), clients: clients, time: time)
        self.wire = wire
        self.traffic = traffic
        self.time = time
        self.limits = limits
        self.metrics = metrics
        self.logger = logger
    }

    public func isGenuine(_ asked: AskedDelivery) async throws(AskFailure) -> Bool {
        let name = asked.digest
        if let known = answers[name], time.uptime() < known.until {
            count("remembered", asked)
            return known.isGenuine
        }
        if let running = flights[name] { return try await running.task.value.get() }
        let isKnown = try admit(asked)
        let flight = Flight { await self.fly(name, asked, isKnown) }
        flights[name] = Flying(task: flight, provider: asked.provider, isKnown: isKnown)
        return try await flight.value.get()
    }

    // MARK: Who may make us ask

    /// Counts what will have been a failure unless the platform says yes. True for a sender that has proven something.
    private func admit(_ asked: AskedDelivery) throws(AskFailure) -> Bool {
        let now = time.uptime()
        let isKnown = budgets[asked.provider]?.knows(asked.network) ?? false
        let beside = flights.values.count { $0.provider == asked.provider && $0.isKnown == isKnown }
        guard isKnown else {
            guard beside < limits.atOnce,
                budgets[asked.provider, default: FetchBudget(.init(), at: now)].take(asked.network, at: now)
            else { throw limited(asked) }
            return false
        }
        guard beside < limits.atOnce + limits.waiting else { throw limited(asked) }
        if let wait = failures.take(asked.sender, at: time.now()) {
            count("limited", asked)
            throw .limited(wait)
        }
        return true
    }

    /// Not logged: this is what a flood meets.
    private func limited(_ asked: AskedDelivery) -> AskFailure {
        count("limited", asked)
        return .unavailable("Too many deliveries are asked about.")
    }

    private func enter(_ provider: String) async {
        if places[provider, default: Places()].taken < limits.atOnce {
            places[provider, default: Places()].taken += 1
        } else {
            await withCheckedContinuation { places[provider, default: Places()].waiting.append($0) }
        }
    }

    /// Whoever waits longest takes the place over.
    private func leave(_ provider: String) {
        guard let next = places[provider]?.waiting.first else {
            places[provider]?.taken -= 1
            return
        }
        places[provider]?.waiting.removeFirst()
        next.resume()
    }

    // MARK: Asking

    /// The flight ends itself, so that none is left behind by a caller who went away.
    private func fly(_ name: [UInt8], _ asked: AskedDelivery, _ isKnown: Bool) async -> Result<Bool, AskFailure> {
        if isKnown { await enter(asked.provider) }
        defer {
            if isKnown { leave(asked.provider) }
            flights[name] = nil
        }
        do {
            let isGenuine = try await answer(to: asked)
            remember(isGenuine, name, asked, isKnown)
            return .success(isGenuine)
        } catch {
            // Nobody's failure.
            if isKnown { failures.giveBack(asked.sender) }
            count("unanswered", asked)
            if case .unavailable(let reason) = error {
                logger.warning(
                    "proof.not_answered", metadata: ["provider": "\(asked.provider)", "reason": "\(reason)"])
            }
            return .failure(error)
        }
    }

    private func remember(_ isGenuine: Bool, _ name: [UInt8], _ asked: AskedDelivery, _ isKnown: Bool) {
        let now = time.uptime()
        if answers.count >= limits.answersMax {
            answers = answers.filter { now < $0.value.until }
            if answers.count >= limits.answersMax { answers = [:] }
        }
        answers[name] = (isGenuine, now + limits.remembered)
        count(isGenuine ? "genuine" : "denied", asked)
        guard isGenuine else { return }
        if isKnown { failures.giveBack(asked.sender) }
        budgets[asked.provider, default: FetchBudget(.init(), at: now)].know(asked.network)
    }

    /// Whether one of the questions is answered with yes.
    private func answer(to asked: AskedDelivery) async throws(AskFailure) -> Bool {
        guard let platform = platforms[asked.provider] else {
            throw .unavailable("\(asked.provider) is not asked here.")
        }
        for call in asked.question.calls {
            do {
                if try await ask(call, platform, asked) { return true }
            } catch let problem as CallProblem {
                throw .unavailable(problem.sentence)
            } catch let failure as AskFailure {
                throw failure
            } catch {
                throw .unavailable("\(error)")
            }
        }
        return false
    }

    /// With a token, and with another where that one is refused. A question that the platform cannot make sense of is
    /// answered: nothing of it is its own.
    private func ask(_ call: Call<Bool>, _ platform: any AppAsked, _ asked: AskedDelivery) async throws -> Bool {
        let token = try await tokens.token(for: asked, at: platform)
        do { return try await answer(to: call, platform, asked, by: token) } catch CallProblem.failed(let failure) {
            switch failure.kind {
            case .refused: return false
            case .unauthorized:
                let next = try await tokens.token(for: asked, at: platform, refusing: token.number)
                return try await answer(to: call, platform, asked, by: next)
            case .throttled, .unavailable, .forbidden, .notFound, .garbled: throw CallProblem.failed(failure)
            }
        }
    }

    private func answer(
        to call: Call<Bool>, _ platform: any AppAsked, _ asked: AskedDelivery, by token: AppTokens.Token
    ) async throws(CallProblem) -> Bool {
        let caller = Caller(
            platform, key: token.secret, address: asked.address, wire: wire, now: time.now, traffic: traffic)
        let context = CallContext("webhook_proof", as: Claimant(asked.provider, .event), app: asked.app.text)
        return try await caller.ask(call, in: context).output
    }

    private func count(_ outcome: String, _ asked: AskedDelivery) {
        metrics.count(
            "patchbay_proofs_asked_total", ["provider": asked.provider, "outcome": outcome],
            help: "Deliveries that only their platform can prove, by what it said, or why it did not.")
    }
}

extension AskedDelivery {
    /// For allowances, which a sender has at each platform.
    fileprivate var sender: String { "\(provider) \(network)" }
}

extension CallProblem {
    fileprivate var sentence: String {
        switch self {
        case .held(let hold): hold.reason
        case .failed(let failure): failure.message
        }
    }
}
