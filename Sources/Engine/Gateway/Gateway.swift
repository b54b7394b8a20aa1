public import Kit
public import Store

/// Receives webhooks: verify, keep, answer. What is answered 200 is on disk.
public struct Gateway: Sendable {
    let routes: GatewayRoutes
    let secrets: WebhookSecrets
    private let keeper: Batcher<Arrival, Kept>
    let rejections: RejectionLog
    let failures = FailureLimits()
    let ids: Identifiers
    private let bells: Bells
    let metrics: GatewayMetrics
    let keys: any KeySource
    let asking: any ProofAsking
    let takesTestEvents: Bool

    /// Events of one delivery that one transaction keeps; what holds more is for a person.
    static let eventsMax = 5000

    /// Keeps a set of arrivals in one transaction and answers what became of each.
    public typealias Keep = @Sendable (Session, [Arrival]) throws -> [Kept]

    /// - Parameters:
    ///   - sources: every platform that sends webhooks.
    ///   - routes: the addresses that the settings configure, by `WebhookSecrets.key`.
    ///   - keys: who obtains the keys that deliveries name.
    ///   - asking: who asks platforms whether they sent a delivery.
    ///   - bells: rung after each commit that brought work.
    ///   - keep: what keeps a set of arrivals. Only a benchmark of all the rest gives another.
    public init(
        sources: [any WebhookSource], routes: [String: WebhookScheme] = [:], secrets: WebhookSecrets,
        database: any Database, rejections: RejectionLog,
        ids: Identifiers, bells: Bells, metrics: GatewayMetrics, keys: any KeySource = NoKeys(),
        asking: any ProofAsking = NobodyAsked(), takesTestEvents: Bool = true,
        keep: @escaping Keep = { try $0.keep($1) }
    ) {
        self.routes = GatewayRoutes(sources, configured: routes)
        self.secrets = secrets
        self.rejections = rejections
        self.ids = ids
        self.bells = bells
        self.keys = keys
        self.asking = asking
        self.takesTestEvents = takesTestEvents
        self.metrics = metrics
        // 32 MiB and 4,096 deliveries may wait; what comes then is told to come again before memory grows.
        let inFlight = database.dialect.engine == .postgres ? 2 : 1
        keeper = Batcher(
            "keep", in: .ingest, of: database, bounds: .init(atOnce: 256, inFlight: inFlight),
            weigh: { $0.body.count + 1024 }, perform: keep)
    }

    /// What a platform is told.
    public enum Reply: Sendable, Equatable {
        /// On disk, or a repetition of what is.
        case kept(Kept)
        /// Believed, and on disk, but nobody can read it: a person looks at it.
        case unreadable
        case refused(Forged)
        /// Not believed, and one of too many: not looked into.
        case limited(retryAfter: Duration)
        /// No such platform, or its secret is not set.
        case unknown
        /// Not kept: send again.
        case overloaded
        case unavailable
    }

    /// How a route's bodies are bounded; nil when there is no such route.
    public func bodyLimit(of provider: String, owner: String?) -> Int? { routes.scheme(provider, owner)?.bodyLimit }

    /// Whether a platform's deliveries may come by GET.
    public func takesGET(_ provider: String, owner: String?) -> Bool {
        routes.scheme(provider, owner)?.comesByGET ?? false
    }

    /// What the platform is told besides a status.
    public func answers(of provider: String, owner: String?) -> WebhookAnswers {
        routes.scheme(provider, owner)?.answers ?? WebhookAnswers()
    }

    /// Whether a route is on: a platform that we know, with a secret that could prove its deliveries.
    public func isOn(_ provider: String, owner: String?) async -> Bool {
        guard let scheme = routes.scheme(provider, owner) else { return false }
        // While the store is away nobody knows: the delivery is read and then told to come again.
        do { return try await secrets.of(provider, owner: owner, scheme: scheme) != nil } catch { return true }
    }

    /// Believes and keeps a delivery, or says why not. Never throws: every delivery has an answer.
    ///
    /// - Parameters:
    ///   - owner: the id in the address that names a secret (`app_…`); nil for the secrets from settings.
    ///   - callback: what came there, where it is no webhook.
    ///   - remote: the address that it came from: for people who look at forgeries, and to limit who fails too often.
    public func receive(
        _ delivery: Delivery, for provider: String, owner: String?, at callback: SignedCallback? = nil,
        from remote: String?
    ) async -> Reply {
        guard let scheme = callback?.scheme ?? routes.scheme(provider, owner) else { return .unknown }
        do {
            guard let owned = try await secrets.of(provider, owner: owner, scheme: scheme) else { return .unknown }
            let sender = Sender(provider: provider, owner: owner, address: remote)
            let trust = try await believe(delivery, scheme: scheme, from: sender, owned: owned)
            let arrival = read(delivery, as: scheme, callback, from: provider, trust: trust, remote: remote)
            let kept = try await keep(arrival, trust)
            if kept.new > 0 { ring(for: arrival) }
            metrics.kept(provider, arrival: arrival, kept: kept)
            return arrival.events.isEmpty ? .unreadable : .kept(kept)
        } catch let forged as Forged {
            return refuse(
                delivery, as: forged, for: provider, owner: owner, scheme: scheme,
                route: callback?.path ?? WebhookSecrets.key(provider, owner), from: remote)
        } catch StoreError.overloaded {
            metrics.away(provider, "overloaded")
            return .overloaded
        } catch KeyFailure.unavailable {
            metrics.away(provider, "no_key")
            return .unavailable
        } catch AskFailure.limited(let wait) {
            metrics.limited(provider, .source)
            return .limited(retryAfter: wait)
        } catch AskFailure.unavailable {
            metrics.away(provider, "not_answered")
            return .unavailable
        } catch {
            metrics.away(provider, "unavailable", because: error)
            return .unavailable
        }
    }

    /// What is past its time is a repetition of what we have, or it is refused: nothing new comes of it.
    private func keep(_ arrival: Arrival, _ trust: Trust) async throws -> Kept {
        let kept = try await keeper.submit(arrival)
        guard !kept.hasUsedProof else { throw Forged.usedProof }
        if let expired = trust.expired, kept.duplicates == 0 { throw expired }
        return kept
    }

    private func ring(for arrival: Arrival) {
        if arrival.events.contains(where: { $0.job != nil || $0.erasure != nil }) { bells.jobs.ring() }
        if arrival.review != nil || arrival.events.contains(where: { $0.change != nil }) { bells.written.ring() }
    }

    /// Whose route a delivery came to, and from where.
    struct Sender: Sendable {
        let provider: String
        let owner: String?
        let address: String?
    }

    /// A failed proof reads the secrets once more before it refuses: another node may have rotated them.
    private func believe(
        _ delivery: Delivery, scheme: WebhookScheme, from sender: Sender, owned: OwnedSecrets
    ) async throws -> Trust {
        do {
            return try await trust(delivery, scheme, sender, owned)
        } catch let error as Forged {
            let fresh = try await secrets.reread(
                sender.provider, owner: sender.owner, scheme: scheme, seen: owned.version)
            guard let fresh else { throw error }
            return try await trust(delivery, scheme, sender, fresh)
        }
    }

    private func trust(
        _ delivery: Delivery, _ scheme: WebhookScheme, _ sender: Sender, _ owned: OwnedSecrets
    ) async throws -> Trust {
        let signed: SignedTime?
        switch scheme.verification {
        case .hmac, .proof: return try Trust(delivery, by: scheme, owned)
        case .remote(let proof):
            signed = try await prove(delivery, by: proof, of: scheme, for: sender.provider, with: owned.secrets)
        case .asked(let proof):
            signed = try await prove(delivery, by: proof, of: scheme, from: sender, with: owned)
        }
        return try Trust(owned.app, signed?.at) { () throws(Forged) in
            try scheme.belief(in: signed, at: delivery.receivedAt)
        }
    }

    /// That a signature is right, whose secret made it, and what its time says.
    private struct Trust {
        let app: ID<AppKind>
        let signedAt: Timestamp?
        /// Past the usual window.
        let isLate: Bool
        /// Past every window: why it is refused, unless it repeats what is kept.
        let expired: Forged?

        init(_ delivery: Delivery, by scheme: WebhookScheme, _ owned: OwnedSecrets) throws(Forged) {
            let signedAt = try scheme.prove(delivery, with: owned.secrets)
            try self.init(owned.app, signedAt) { () throws(Forged) in
                try scheme.belief(in: signedAt, at: delivery.receivedAt)
            }
        }

        init(_ app: ID<AppKind>, _ signedAt: Timestamp?, belief: () throws(Forged) -> Belief) throws(Forged) {
            (self.app, self.signedAt) = (app, signedAt)
            do {
                isLate = try belief().late
                expired = nil
            } catch {
                guard case .tooOld = error else { throw error }
                (isLate, expired) = (true, error)
            }
        }
    }

    // MARK: From a delivery to what is kept of it

    private func read(
        _ delivery: Delivery, as scheme: WebhookScheme, _ callback: SignedCallback?, from provider: String,
        trust: Trust, remote: String?
    ) -> Arrival {
        let id: ID<DeliveryKind> = ids.make()
        var events: [Event] = []
        var unreadable: Unreadable?
        do throws(Unreadable) {
            let all = try scheme.events(delivery)
            guard all.count <= Self.eventsMax else {
                throw Unreadable("It holds \(all.count) events; \(Self.eventsMax) are read at once.")
            }
            events = all
        } catch {
            unreadable = error
        }
        let flags = [
            trust.isLate ? "late" : nil, unreadable == nil ? nil : "unreadable",
            events.contains(where: \.isTest) ? "test" : nil,
        ]
        .compactMap { $0 }
        var arrival = Arrival(
            id: id, provider: provider, app: trust.app, receivedAt: delivery.receivedAt, method: delivery.method,
            target: Array(delivery.target.utf8.prefix(2048)),
            headers: HeaderLines.kept(of: delivery.headers, proof: scheme.signatureHeaders), remote: remote,
            body: delivery.body, checksum: Checksum.of(delivery.body),
            flags: flags.isEmpty ? nil : flags.joined(separator: " "), reason: unreadable?.reason,
            events: events.map {
                arriving(
                    $0, provider: provider, app: trust.app, delivery: delivery, body: id, scheme: scheme,
                    callback: callback)
            },
            review: unreadable.map { review(of: id, provider: provider, problem: $0, at: delivery.receivedAt) },
            repeatsOnly: trust.expired != nil, unread: events.isEmpty ? unread(delivery) : nil)
        if let nonce = scheme.nonce?(delivery), let signedAt = trust.signedAt {
            arrival.proof = UsedProof(nonce: nonce, signedAt: signedAt, body: delivery.body)
        }
        return arrival
    }

    /// What stands for a delivery in which no event is read: its content, so that copies of it are known as such.
    ///
    /// Where there is no body the address is what the platform has signed; else it may be anything.
    func unread(_ delivery: Delivery) -> ArrivingEvent {
        let content = delivery.body.isEmpty ? Array((delivery.url ?? "").utf8) : delivery.body
        let event = Event(
            identity: EventIdentity(day: 0, of: Array("unreadable ".utf8) + content), type: "unreadable",
            occurredAt: delivery.receivedAt, body: delivery.body.indices)
        return ArrivingEvent(id: ids.make(), event: event, job: nil, change: nil)
    }

    func scheme(at provider: String, _ owner: String?) -> WebhookScheme? { routes.scheme(provider, owner) }

    /// The addresses beside webhooks at which platforms tell what people ask of them.
    public var callbacks: [(provider: String, callback: SignedCallback)] { routes.callbacks }

    /// How the deliveries that an app's secrets prove are read.
    ///
    /// - Parameter target: the path at which they came, where it may be a callback's.
    public func scheme(of provider: String, app: ID<AppKind>, at target: String = "") -> WebhookScheme? {
        routes.callback(at: target)?.scheme ?? routes.scheme(provider, secrets.name(of: app, provider: provider))
    }

    func arriving(
        _ event: Event, provider: String, app: ID<AppKind>, delivery: Delivery, body: ID<DeliveryKind>,
        scheme: WebhookScheme, callback: SignedCallback? = nil
    ) -> ArrivingEvent {
        let id: ID<EventKind> = ids.make()
        if callback?.meaning == .erase, let account = event.account {
            var arriving = ArrivingEvent(id: id, event: event, job: nil, change: nil)
            arriving.erasure = AccountErasing.asked(
                by: event, id, of: account, at: provider, ids, receivedAt: delivery.receivedAt)
            return arriving
        }
        // What a platform's test mode made up must not touch a live instance's users: kept, and no more.
        guard takesTestEvents || !event.isTest else {
            return ArrivingEvent(id: id, event: event, job: nil, change: nil)
        }
        guard scheme.handles(event.type) else {
            let change = EventReceived.change(
                ids.make(), event: id, delivery: body, provider: provider, type: event.type,
                providerEventID: event.providerEventID,
                occurredAt: event.occurredAt, receivedAt: delivery.receivedAt, userID: nil,
                body: BodyRange(body: body.text, offset: event.body.lowerBound, length: event.body.count))
            return ArrivingEvent(id: id, event: event, job: nil, change: change)
        }
        let job = NewJob(
            id: ids.make(), kind: EventApplying.kind, lane: Self.lane(of: event, app: app, priority: scheme.priority),
            dueAt: delivery.receivedAt, createdAt: delivery.receivedAt, input: Array(id.text.utf8), subject: id.text)
        return ArrivingEvent(id: id, event: event, job: job, change: nil)
    }

    private static func lane(of event: Event, app: ID<AppKind>, priority: Priority) -> Lane {
        guard let key = event.subject ?? event.account else {
            return EventLane.of(event.identity.hash, app: app, priority: priority)
        }
        return EventLane.of(key, app: app, priority: priority)
    }

    func review(of delivery: ID<DeliveryKind>, provider: String, problem: Unreadable, at now: Timestamp)
        -> NewReview
    {
        NewReview(
            id: ids.make(), kind: "unreadable_delivery", subject: delivery.text,
            question:
                "A believed delivery cannot be read: \(problem.reason) Read it again after an upgrade, or dismiss it?",
            evidence: (["delivery_id": .string(delivery.text), "reason": .string(problem.reason)] as JSON).line,
            choices: ["read_again", "dismiss"], provider: provider, openedAt: now, changeID: ids.make())
    }
}

/// The headers of a delivery, as kept: `name: value` lines. What authenticates a person or a program elsewhere is left
/// out: who sends a webhook with their key for our API gives us a key that must not lie here.
enum HeaderLines {
    /// More is not a webhook's head.
    private static let bytesMax = 16 << 10
    private static let left = ["cookie", "authorization", "proxy-authorization"]

    /// - Parameter proof: the headers that carry the signature. A bare one is no key to anything else, even where the
    ///   platform puts it into `Authorization`; with a scheme's word before it, it is left out all the same.
    static func kept(of headers: [Field], proof: [String]) -> [UInt8] {
        let proof = proof.map { $0.lowercased() }
        var bytes: [UInt8] = []
        for header in headers {
            let name = header.name.lowercased()
            guard !left.contains(name) || proof.contains(name) && header.value.utf8.allSatisfy(\.isHexDigit) else {
                continue
            }
            bytes += Array(header.name.utf8) + Array(": ".utf8) + Array(header.value.utf8) + [UInt8(ascii: "\n")]
            if bytes.count > bytesMax { return Array(bytes.prefix(bytesMax)) }
        }
        return bytes
    }
}

extension UInt8 {
    fileprivate var isHexDigit: Bool {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
            UInt8(ascii: "A")...UInt8(ascii: "F"):
            true
        default: false
        }
    }
}
