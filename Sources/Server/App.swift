public import Engine
public import Kit
public import Logging
public import Store

/// What the HTTP side is made of. Made once by `serve`, given to `makeRouter`.
public struct App: Sendable {
    public let database: any Database
    public let ids: Identifiers
    public let now: @Sendable () -> Timestamp
    /// Waits; ends early with `CancellationError`.
    public let sleep: @Sendable (Duration) async throws -> Void
    public let settings: Settings
    public let logger: Logger
    public let hooks: Hooks

    /// What hashing a password costs; tests take less.
    var passwordCost = Passwords.Cost.usual
    let keys: KeyRing
    let limits: RateLimiter
    let checkup: Checkup
    let radar: Radar
    let addressProof: AddressProof
    /// What the platforms say; nil where this node does not ask.
    let asking: Asking?

    public init(
        database: any Database, ids: Identifiers, now: @escaping @Sendable () -> Timestamp,
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) },
        settings: Settings, logger: Logger, hooks: Hooks = Hooks()
    ) {
        self.database = database
        self.ids = ids
        self.now = now
        self.sleep = sleep
        self.settings = settings
        self.logger = logger
        self.hooks = hooks
        keys = KeyRing(database: database, now: now)
        limits = RateLimiter(now: now)
        addressProof = AddressProof(database: database, ids: ids)
        asking = hooks.askPlatforms.map { Asking($0, now: now) }
        radar = hooks.radar ?? Radar(Providers.ageing, database: database, ids: ids)
        checkup = Checkup(Doctor(settings, logger: logger, now: now), now: now)
    }

    /// The clocks that requests are answered by.
    var time: TimeSource { TimeSource(now: now, uptime: TimeSource.system.uptime, sleep: sleep) }

    /// What the API does now and then: notes when keys were used, forgets old idempotency records, opens alerts whose
    /// silence has ended, raises and resolves those about what stands in the tables. Runs until it is cancelled;
    /// `serve` makes it one of its services.
    public func keepHouse() async throws {
        var rounds = 0
        while true {
            try await sleep(.seconds(10))
            do { try await sweep(hourly: rounds % 360 == 0) } catch let error as StoreError {
                logger.warning("housekeeping.failed", metadata: ["reason": "\(error)"])
            }
            rounds += 1
        }
    }

    /// Answers to `Idempotency-Key` are kept for seven days.
    static let idempotencyLife = Duration.days(7)
    /// What people did with many things at once is looked up for so long; the audit log has it for ever.
    static let bulkRunLife = Duration.days(90)

    func sweep(hourly: Bool) async throws {
        try await keys.noteUses()
        let now = now()
        _ = try await database.write("wake_alerts", in: .maintenance) { try $0.wakeSilenced(100, at: now) }
        if try await AlertReview(database: database, ids: ids).run(at: now) { hooks.changesWritten() }
        guard hourly else { return }
        while try await database.write(
            "sweep_operators", in: .maintenance, { try $0.sweepOperators(200, at: now) })
        {}
        while try await database.write(
            "sweep_bulk_runs", in: .maintenance, { try $0.sweepBulkRuns(before: now - Self.bulkRunLife, 200) }) == 200
        {}
        while try await database.write(
            "sweep_idempotency", in: .maintenance,
            {
                try $0.sweepIdempotency(before: now - Self.idempotencyLife, 500)
            }) == 500
        {}
    }
}

/// What the engine gives to the API, so that the API need not know it.
public struct Hooks: Sendable {
    /// The job that applies an event once more.
    public var replay: @Sendable (EventRow, ID<JobKind>, Timestamp) -> NewJob = Replay.job
    /// What decisions do, by the review's kind. A kind without one is only marked as decided.
    public var deciders: [String: any ReviewDecider] = [:]
    /// Called after a request was committed that may have brought jobs, so that this node's workers look at once.
    public var jobsArrived: @Sendable () -> Void = {}
    /// The same for changes, so that the sequencer looks at once.
    public var changesWritten: @Sendable () -> Void = {}
    /// Further things without which this node cannot serve, by name; nil is well, a text says what is wrong.
    public var dependencies: [String: @Sendable () async -> String?] = [:]
    /// Our webhooks out; nil where this node sends none.
    public var endpoints: Endpoints?
    /// Called after an endpoint was made or changed.
    public var endpointsChanged: @Sendable () -> Void = {}
    /// Makes app credentials; nil where nothing can be sealed.
    public var apps: AppCredentials?
    /// Orders webhooks at platforms; nil where nothing can be sealed.
    public var subscribing: Subscribing?
    /// Called after an app or its secrets changed.
    public var appChanged: @Sendable (ID<AppKind>) -> Void = { _ in }
    /// Compares with what platforms list; nil where no platform can be asked.
    public var reconciling: EventReconciling?
    /// Files that the application gives us; nil where there is no folder for them.
    public var objects: ObjectStore?
    /// Signs addresses of objects; nil where nothing can be sealed.
    public var signedAddresses: SignedAddresses?
    /// Publishes; nil where nothing can be sealed.
    public var publishing: PublishingHooks?
    /// Finds events by their values; nil where nothing can be hashed.
    public var eventTerms: EventTerms?
    /// Connects accounts; nil where nothing can be sealed.
    public var connecting: ConnectHooks?
    /// Reads accounts' data; nil where nothing is synced.
    public var syncs: Syncs?
    /// The feed on this node, for live clients; nil where there are none.
    public var hub: ChangeHub?
    /// What platforms allow and how much of it is used; nil where nothing is called.
    public var quotas: Quotas?
    /// Bodies of calls, where somebody asks for them; nil where nothing can be sealed.
    public var captures: Captures?
    /// Asks the platforms harmless questions, as `doctor --online` does; nil where this node does not.
    public var askPlatforms: (@Sendable () async -> [Finding])?
    /// Whether a platform accepts a connection's token, by a harmless call; nil where nobody can say.
    public var checkConnection: @Sendable (ID<ConnectionKind>) async -> Finding? = { _ in nil }
    /// What platforms end; nil for what those of the product declare.
    public var radar: Radar?
    /// The demo that started this server; nil outside of one.
    var demo: LocalClient?
    /// The sandbox that stands for the platforms; nil where none is named.
    var sandbox: LocalClient?
    /// The webhook secrets that an app of a platform has now, for explaining a proof; they are compared, never shown.
    public var webhookSecrets: @Sendable (_ provider: String, _ app: ID<AppKind>) async throws -> [WebhookSecret] = {
        _, _ in []
    }
    /// How the webhooks that an app's secrets prove are signed; nil for a platform that sends none.
    public var webhookScheme: @Sendable (_ provider: String, _ app: ID<AppKind>, _ target: String) -> WebhookScheme? = {
        provider, _, _ in Signing.scheme(of: provider)
    }
    /// What replaying an event would change, tried and undone; nil where nothing here acts on it.
    public var rehearse: @Sendable (ID<EventKind>) async throws -> [Change]? = { _ in nil }
    /// First steps to be shown on the dashboard's Now, in the reader's language (`en`, `ko`); nil for none.
    public var checklist: @Sendable (_ language: String) async -> Checklist? = { _ in nil }
    /// The schemas of the events that we send, by type: whole JSON documents.
    public var eventSchemas: [String: JSON] = [:]

    public init() {}
}

/// What a person's decision does, in the transaction that records it.
public protocol ReviewDecider: Sendable {
    /// What the decision needs from the request beside its choice and note; nil for nothing.
    var input: Schema? { get }

    /// Makes the effect. Ids and times are made here, outside of the transaction; the closure may run more than once.
    ///
    /// - Throws: `Problem` when the input does not fit the choice, or nothing can come of it.
    func effect(of decision: Decision, on review: Review) async throws -> @Sendable (Session, Review) throws -> Void
}

/// A decision as it was asked for.
public struct Decision: Sendable {
    public let review: ID<ReviewKind>
    /// One of the review's choices.
    public let choice: String
    public let note: String?
    /// The request's member `input`, as the decider's schema says; null where there is none.
    public let input: JSON
    /// The id of the key that decided.
    public let actor: String
    public let at: Timestamp
}
