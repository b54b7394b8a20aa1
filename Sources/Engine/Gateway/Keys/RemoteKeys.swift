public import Kit
public import Logging

/// Keys that stand at addresses which deliveries name: fetched through the guard, remembered, and never so many that a
/// forger could make this server work for him.
///
/// What it guards: what is remembered, what is being fetched, and the budgets of fetches, one a platform. A key that
/// did not prove a delivery is asked for once more, at most once a minute, whatever came of it; a name that leads
/// nowhere is remembered too. A name that has proven something has an allowance and a place of its own, which no
/// flood of others can take, and its key goes on for a week while its server is away.
public actor RemoteKeys: KeySource {
    /// How much is fetched and remembered.
    public struct Limits: Sendable {
        /// Fetches of a platform that run at once, of names that never proved anything; of the others as many beside.
        public var atOnce = 16
        /// After it no further document of a key is begun.
        public var whole = Duration.seconds(10)
        /// Keys, and refusals, in memory.
        public var remembered = 10_000
        /// Before a key that failed is asked for again.
        public var refreshedEvery = Duration.minutes(1)
        /// How long it is remembered that nobody answered.
        public var silence = Duration.seconds(10)
        public init() {}
    }
    /// Gives who checks certificates; asked when the first is met, and again a minute after it could not.
    public typealias Certificates = @Sendable () throws -> any CertificateChecking

    private struct Name: Hashable {
        let provider: String
        let name: String
    }
    private struct Refusal {
        let failure: KeyFailure
        let until: Duration
    }
    private typealias Flight = Task<Result<FoundKey, KeyFailure>, Never>

    private let reader: any OutsideReading
    private let certificates: Certificates
    private let time: TimeSource
    private let limits: Limits
    private let program: String
    private let metrics: Metrics
    private let logger: Logger
    private struct Held {
        var key: RemoteKey
        /// When it was last asked for, with whatever outcome.
        var attemptedAt: Duration
        var hasProven = false
    }
    private struct Flying {
        let task: Flight
        let isProven: Bool
    }
    private var checking: (any CertificateChecking)?
    private var noRootsUntil = Duration.zero
    private var known: [Name: Held] = [:]
    private var refused: [Name: Refusal] = [:]
    private var flights: [Name: Flying] = [:]
    /// By platform: a flood at the address of one leaves the others theirs.
    private var budgets: [String: FetchBudget] = [:]
    /// Lives of a key that are added while its server is away.
    private static let livesAway = 7

    public init(
        reader: any OutsideReading, certificates: @escaping Certificates, time: TimeSource, limits: Limits = Limits(),
        program: String = "", metrics: Metrics, logger: Logger
    ) {
        self.reader = reader
        self.certificates = certificates
        self.time = time
        self.limits = limits
        self.program = program
        self.metrics = metrics
        self.logger = logger
    }

    public func key(
        _ need: KeyNeed, by proof: RemoteProof, for provider: String, newerThan seen: RemoteKey?
    ) async throws(KeyFailure) -> RemoteKey {
        let (name, now) = (Name(provider: provider, name: need.name), time.uptime())
        guard let held = known[name], !hasEnded(held.key) else {
            if let refusal = refused[name], now < refusal.until { throw refusal.failure }
            return try await fetched(name, need, proof)
        }
        let isFresh = now - held.key.fetchedAt < proof.fetching.life
        // Another delivery has brought the newer one.
        let isWanted = seen.map { held.key.fetchedAt > $0.fetchedAt } ?? true
        if isFresh, isWanted || now - held.attemptedAt < limits.refreshedEvery { return held.key }
        let goesOn = now - held.key.fetchedAt < proof.fetching.life * (1 + Self.livesAway)
        if goesOn, now - held.attemptedAt < limits.refreshedEvery { return held.key }
        known[name]?.attemptedAt = now
        do { return try await fetched(name, need, proof) } catch {
            if case .refused = error, !isFresh { throw error }
            guard isFresh || goesOn else { throw error }
            return held.key
        }
    }

    public func remembered(_ need: KeyNeed, for provider: String) -> RemoteKey? {
        known[Name(provider: provider, name: need.name)].flatMap { hasEnded($0.key) ? nil : $0.key }
    }

    /// Fetches that run.
    var flying: Int { flights.count }

    public func proved(_ need: KeyNeed, for provider: String) {
        known[Name(provider: provider, name: need.name)]?.hasProven = true
        guard let host = Self.host(of: need.url) else { return }
        budgets[provider, default: FetchBudget(FetchBudget.Limits(), at: time.uptime())].know(host)
    }

    private func hasEnded(_ key: RemoteKey) -> Bool { key.found.until.map { $0 <= time.now() } ?? false }

    // MARK: Fetching

    /// One fetch a name, however many wait for it.
    private func fetched(_ name: Name, _ need: KeyNeed, _ proof: RemoteProof) async throws(KeyFailure) -> RemoteKey {
        let flight: Flight
        if let running = flights[name] {
            flight = running.task
        } else {
            guard let host = Self.host(of: need.url) else {
                throw counted(.refused("The key's address cannot be read."), name)
            }
            let isProven = known[name]?.hasProven ?? false
            let beside = flights.count { $0.key.provider == name.provider && $0.value.isProven == isProven }
            guard beside < limits.atOnce, isProven || take(host, for: name.provider) else {
                // Not logged: this is what a flood meets.
                count("limited", name)
                throw .unavailable("Too many keys are asked for.")
            }
            flight = Task { await self.fly(name, need, proof, isProven ? host : nil) }
            flights[name] = Flying(task: flight, isProven: isProven)
        }
        let found = try await flight.value.get()
        return RemoteKey(found: found, fetchedAt: known[name]?.key.fetchedAt ?? time.uptime(), isRemembered: false)
    }

    private func take(_ host: String, for provider: String) -> Bool {
        let now = time.uptime()
        return budgets[provider, default: FetchBudget(FetchBudget.Limits(), at: now)].take(host, at: now)
    }

    /// The flight ends itself, so that none is left behind by a caller who went away.
    ///
    /// - Parameter own: the host whose documents cost nothing: that of a name that has proven something.
    private func fly(
        _ name: Name, _ need: KeyNeed, _ proof: RemoteProof, _ own: String?
    ) async -> Result<FoundKey, KeyFailure> {
        defer { flights[name] = nil }
        do {
            let found = try await obtain(need, proof, name.provider, own)
            remember(found, name)
            return .success(found)
        } catch {
            remember(error, name, proof)
            return .failure(counted(error, name))
        }
    }

    private func obtain(
        _ need: KeyNeed, _ proof: RemoteProof, _ provider: String, _ own: String?
    ) async throws(KeyFailure) -> FoundKey {
        let end = time.uptime() + limits.whole
        var documents: [KeyDocument] = []
        var url = need.url
        while documents.count < proof.fetching.documentsMax {
            documents.append(
                try await document(
                    at: url, proof.fetching, isPaid: documents.isEmpty, for: provider, own, until: end))
            let step: KeyStep
            do {
                step = try await proof.read(
                    need, documents, KeyTrust(certificates: checker(for: proof.fetching), now: time.now()))
            } catch {
                throw .refused(error.reason)
            }
            switch step {
            case .found(let key): return key
            case .fetch(let next): url = next
            }
        }
        throw .refused("The key is not found in \(proof.fetching.documentsMax) documents.")
    }

    /// - Parameter isPaid: its first request was counted before the flight began; every other one counts here, at the
    ///   host that it goes to, so that neither documents nor redirects can be used against a third.
    private func document(
        at first: String, _ fetching: KeyFetching, isPaid: Bool, for provider: String, _ own: String?,
        until end: Duration
    ) async throws(KeyFailure) -> KeyDocument {
        var url = first
        for hop in 0...fetching.redirectsMax {
            guard time.uptime() < end else { throw .unavailable("The key's server is too slow.") }
            let isFree = isPaid && hop == 0
            guard isFree || Self.host(of: url).map({ $0 == own || take($0, for: provider) }) ?? true else {
                throw .unavailable("Too many keys are asked for.")
            }
            let answer: WireAnswer
            // Many servers of the fediverse answer nobody who does not say what he is.
            let headers = [Field("Accept", fetching.accepts), Field("User-Agent", "Patchbay/\(program)")]
            do { answer = try await reader.get(url, headers: headers) } catch {
                throw Self.failure(of: error)
            }
            if [301, 302, 303, 307, 308].contains(answer.status), hop < fetching.redirectsMax,
                let next = answer.headers["Location"].flatMap({ Self.address($0, from: url) })
            {
                url = next
                continue
            }
            return try Self.read(answer, at: url, fetching)
        }
        throw .refused("The key's address leads on and on.")
    }

    private static func read(
        _ answer: WireAnswer, at url: String, _ fetching: KeyFetching
    ) throws(KeyFailure) -> KeyDocument {
        switch answer.status {
        case 200: break
        case 408, 425, 429, 500...599: throw .unavailable("The key's server answers \(answer.status).")
        default: throw .refused("The key's server answers \(answer.status): there is no such key.")
        }
        guard answer.body.count <= fetching.documentMax else {
            throw .refused("What stands at the key's address is longer than \(fetching.documentMax) bytes.")
        }
        return KeyDocument(
            url: url, contentType: answer.headers["Content-Type"]?.lowercased() ?? "", body: answer.body)
    }

    private static func failure(of failure: WireFailure) -> KeyFailure {
        switch failure {
        case .refusedAddress(let reason): .refused(reason)
        case .unresolvable, .connect, .timeout, .tls, .reset, .notHTTP, .ownNetwork, .cancelled:
            .unavailable("The key cannot be fetched. \(failure.sentence)")
        }
    }

    /// Where a redirect leads: a whole address, or a path at the same host. Never from https to http.
    private static func address(_ location: String, from url: String) -> String? {
        guard let base = try? OutsideURL(url) else { return nil }
        guard location.utf8.first == UInt8(ascii: "/"), !location.hasPrefix("//") else {
            guard let next = try? OutsideURL(location), next.scheme == .https || base.scheme == .http else {
                return nil
            }
            return location
        }
        return "\(base.scheme.rawValue)://\(base.authorityText)\(location)"
    }

    private static func host(of url: String) -> String? { (try? OutsideURL(url))?.hostText }

    private func checker(for fetching: KeyFetching) -> (any CertificateChecking)? {
        guard fetching.bringsCertificates else { return nil }
        let now = time.uptime()
        if checking == nil, now >= noRootsUntil {
            do { checking = try certificates() } catch {
                noRootsUntil = now + limits.refreshedEvery
                logger.error("key.no_roots", metadata: ["problem": "\(error)"])
            }
        }
        return checking
    }

    // MARK: Remembering

    private func remember(_ found: FoundKey, _ name: Name) {
        if known.count >= limits.remembered {
            known = known.filter(\.value.hasProven)
            if known.count >= limits.remembered { known = [:] }
        }
        refused[name] = nil
        let now = time.uptime()
        known[name] = Held(
            key: RemoteKey(found: found, fetchedAt: now, isRemembered: true), attemptedAt: now,
            hasProven: known[name]?.hasProven ?? false)
        count("found", name)
        logger.info("key.fetched", metadata: ["provider": "\(name.provider)"])
    }

    private func remember(_ failure: KeyFailure, _ name: Name, _ proof: RemoteProof) {
        if refused.count >= limits.remembered { refused = [:] }
        let life =
            switch failure {
            case .refused: proof.fetching.refusalLife
            case .unavailable: limits.silence
            }
        refused[name] = Refusal(failure: failure, until: time.uptime() + life)
    }

    private func counted(_ failure: KeyFailure, _ name: Name) -> KeyFailure {
        let outcome =
            switch failure {
            case .refused: "refused"
            case .unavailable: "unavailable"
            }
        count(outcome, name)
        logger.info("key.not_fetched", metadata: ["provider": "\(name.provider)", "outcome": "\(outcome)"])
        return failure
    }

    private func count(_ outcome: String, _ name: Name) {
        metrics.count(
            "patchbay_key_fetches_total", ["provider": name.provider, "outcome": outcome],
            help: "Keys that deliveries named and that were not remembered, by what came of it.")
    }
}

extension GuardedWire.Limits {
    /// For documents about keys: a platform that waits for its answer will not wait for long.
    public static var ofKeys: Self {
        var limits = Self()
        limits.connect = .seconds(3)
        limits.whole = .seconds(6)
        limits.connectionsPerHost = 4
        limits.answerRead = (1 << 20) + 1
        limits.answerKept = (1 << 20) + 1
        return limits
    }
}

extension OutsideURL {
    /// Host and port as they stand in an address.
    var authorityText: String {
        let host =
            switch host {
            case .name(let name): name
            case .address(.v4(let value)): IPAddress.v4(value).description
            case .address(let address): "[\(address)]"
            }
        return port == (scheme == .https ? 443 : 80) ? host : "\(host):\(port)"
    }
}
