import AsyncHTTPClient
public import Engine
public import Kit
public import Logging
public import ServiceLifecycle
public import Store

/// A Patchbay, put together from its settings: what `serve` runs and tests start.
public struct Instance: Sendable {
    /// The program's version, as in answers, headers and tables.
    public static let version = "0.1.0"

    public let settings: Settings
    public let database: any Database
    public let ids: Identifiers
    public let time: TimeSource
    public let metrics: Metrics
    public let gateway: Gateway
    public let vault: Vault
    public let bells: Bells
    public let logger: Logger
    public let endpoints: Endpoints
    public let hub: ChangeHub
    let connecting: ConnectingParts
    let syncing: SyncParts
    let webhookSecrets: WebhookSecrets
    let rehearsal: Rehearsal
    let reconciling: EventReconciling
    let eventTerms: EventTerms
    let subscribing: Subscribing
    let node: NodeSession
    let runner: JobRunner
    let sender: EndpointSender
    let sequencer: Sequencer
    let traffic: Traffic
    /// Nil where bodies are not sealed at rest.
    private let sealing: BodySealing?
    private let wakes: NodeWakes
    private let resolver: SystemResolver
    /// Files that the application gives us; nil where there is no folder for them.
    public let objects: ObjectStore?
    let publishing: PublishingHooks?
    private let wire: GuardedWire
    private let keyWire: GuardedWire
    let client: HTTPClient

    /// Opens the database, brings its schema up to date and puts the parts together. Nothing runs yet.
    ///
    /// - Parameters:
    ///   - keepsQuotas: whether platforms' limits hold; not for a benchmark at a simulated platform, which has none.
    ///   - keep: what the gateway does with believed deliveries; a benchmark gives another.
    /// - Throws: `StoreError` with the sentence for the operator.
    public static func make(
        _ settings: Settings, time: TimeSource = .system, logger: Logger, keepsQuotas: Bool = true,
        keep: @escaping Gateway.Keep = { try $0.keep($1) }
    ) async throws -> Instance {
        let vault = Vault(keyring: Keyring(settings.encryptionKeys.map { ($0.id, $0.secret) }))
        let bodies = BodySealing.keys(vault)
        let database = try open(settings.database, owner: true, bodies: bodies, logger: logger)
        do {
            let copy = UpgradeCopy(of: settings.database, logger: logger)
            copy?.sweep(at: time.now())
            let state = try await database.schemaState()
            if settings.migrates { try await copy?.make(from: state.version, pending: state.pending) }
            try await prepare(database, settings: settings, now: time.now(), logger: logger)
            return try await Instance(
                settings, database: database, keys: (vault, bodies), time: time, logger: logger,
                keepsQuotas: keepsQuotas, keep: keep)
        } catch {
            await database.close()
            throw error
        }
    }

    /// - Parameter owner: whether this process serves the database; other verbs open an SQLite file beside it.
    ///   The others take three connections to PostgreSQL at most, so that they find room beside busy nodes.
    /// - Parameter bodies: what opens and seals bodies at rest; nil where none is read.
    public static func open(
        _ address: DatabaseAddress, owner: Bool, bodies: BodyKeys? = nil, logger: Logger
    ) throws -> any Database {
        switch address {
        case .sqlite(let path): try SQLiteDatabase(path: path, owner: owner, bodies: bodies, logger: logger)
        case .postgres(let url):
            try url.reveal { bytes in
                let url = String(decoding: bytes, as: UTF8.self)
                return try owner
                    ? PostgresDatabase(url: url, bodies: bodies, logger: logger)
                    : PostgresDatabase(url: url, connections: 1, ingestConnections: 1, logger: logger)
            }
        }
    }

    private static func prepare(
        _ database: any Database, settings: Settings, now: Timestamp, logger: Logger
    ) async throws {
        let state = try await database.schemaState()
        if state.version > 0, state.pending > 0, !settings.migrates {
            throw StoreError.refused(
                """
                The database's schema is \(state.version), this program needs \(Migrations.known). \
                Run: patchbay migrate
                """
            )
        }
        let applied = try await database.migrate(program: version, at: now)
        if !applied.isEmpty {
            logger.notice("store.migrated", metadata: ["to": "\(applied.last ?? 0)"])
        }
        if settings.migrates { try await declareTables(database) }
        try await database.check(Providers.syncBook.tables)
        try await database.write("mode") { try $0.settle(mode: settings.mode.rawValue) }
        let health = try await database.health()
        logger.notice(
            "store.opened",
            metadata: [
                "engine": "\(health.engine)", "durability": "\(health.durability)", "version": "\(health.version)",
            ])
        if !health.isDurable {
            logger.error("store.not_durable", metadata: ["durability": "\(health.durability)"])
        }
    }

    private init(
        _ settings: Settings, database: any Database, keys: (vault: Vault, bodies: BodyKeys), time: TimeSource,
        logger: Logger, keepsQuotas: Bool, keep: @escaping Gateway.Keep
    ) async throws {
        (self.settings, self.database, self.time, self.logger) = (settings, database, time, logger)
        let (ids, metrics, bells) = (Identifiers(now: time.now), Metrics(), Bells())
        (self.ids, self.metrics, self.bells) = (ids, metrics, bells)
        (vault, sealing) = (keys.vault, Self.sealing(settings, keys, database, ids: ids, time: time, logger: logger))
        let owned = try await Self.settingsSecrets(settings, database: database, ids: ids, now: time.now())
        webhookSecrets = Self.webhookSecrets(owned, database, vault, time)
        let policy = Self.policy(settings)
        resolver = SystemResolver()
        keyWire = GuardedWire(policy: policy, resolver: resolver, limits: .ofKeys)
        let node = NodeSession(
            database: database, ids: ids, time: time, bell: bells.jobs, host: Machine.hostName,
            process: Machine.processID, program: Self.version, logger: logger)
        self.node = node
        wire = GuardedWire(policy: policy, resolver: resolver)
        endpoints = Endpoints(
            database: database, wire: wire, vault: vault, identifiers: ids, policy: policy, time: time,
            changed: bells.endpoints, program: Self.version)
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: HTTPWire.configuration)
        traffic = try await Self.traffic(database, keepsQuotas, metrics, node, ids: ids, time: time, logger: logger)
        gateway = Gateway(
            sources: Providers.webhookSources, routes: settings.webhookRoutes.mapValues(\.scheme),
            secrets: webhookSecrets, database: database, rejections: RejectionLog(database: database, logger: logger),
            ids: ids, bells: bells, metrics: GatewayMetrics(metrics: metrics, logger: logger),
            keys: Self.keys(settings, keyWire, time: time, metrics: metrics, logger: logger),
            asking: Self.asking(database, vault, client, traffic, time: time, metrics: metrics, logger: logger),
            takesTestEvents: settings.mode == .test, keep: keep)
        connecting = try await ConnectingParts(
            settings, database: database, vault: vault, client: client, traffic: traffic, node: { node.id }, ids: ids,
            time: time, bells: bells, logger: logger)
        let handlers = SyncParts.waking(
            Self.handlers(settings, database, HTTPWire(client: client), traffic, ids: ids, time: time), ids: ids)
        syncing = SyncParts(
            settings, connecting.connections, traffic, HTTPWire(client: client), database: database, ids: ids,
            time: time, bells: bells, logger: logger)
        (objects, publishing) = await Self.publishing(
            settings, database, vault, connecting.connections, traffic, client, wire, ids: ids, time: time,
            logger: logger)
        rehearsal = Rehearsal(database: database, handlers: handlers, time: time)
        reconciling = EventReconciling(
            Self.listed(settings, owned, HTTPWire(client: client), traffic, time), gateway: gateway,
            database: database, ids: ids, time: time, bells: bells, logger: logger)
        eventTerms = Self.terms(vault, database, time)
        subscribing = Self.subscribing(settings, owned, HTTPWire(client: client), traffic, time)
        var workers = Workers(settings, database: database, ids: ids, time: time, bells: bells, logger: logger)
        (workers.objects, workers.publishing, workers.vault) = (objects, publishing, vault)
        runner = JobRunner(
            workers: workers.all(handlers: handlers, endpoints: endpoints, reconciling: reconciling)
                + workers.decisions(endpoints, read: gateway.reread) + [EventTermsWorker(eventTerms, time: time)]
                + [workers.subscriptions(subscribing, vault, webhookSecrets)] + connecting.workers + syncing.workers,
            database: database, node: node, ids: ids, time: time, bell: bells.jobs, metrics: metrics, logger: logger)
        wakes = Self.wakes(database, bells, logger: logger)
        (hub, sequencer) = Self.feed(database, bells, node: node, time: time, logger: logger)
        sender = Self.sender(database, hub, wire, vault, bells, node, metrics, ids: ids, time: time, logger: logger)
    }

    private static func sender(
        _ database: any Database, _ hub: ChangeHub, _ wire: GuardedWire, _ vault: Vault, _ bells: Bells,
        _ node: NodeSession, _ metrics: Metrics, ids: Identifiers, time: TimeSource, logger: Logger
    ) -> EndpointSender {
        EndpointSender(
            database: database, hub: hub, wire: wire, vault: vault, identifiers: ids, node: { node.id },
            changed: bells.endpoints, written: bells.written, time: time, logger: logger, metrics: metrics,
            program: version)
    }

    /// What seals bodies at rest; nil where the operator does not want it.
    private static func sealing(
        _ settings: Settings, _ keys: (vault: Vault, bodies: BodyKeys), _ database: any Database, ids: Identifiers,
        time: TimeSource, logger: Logger
    ) -> BodySealing? {
        guard settings.sealsBodies else { return nil }
        return BodySealing(
            keys.bodies, vault: keys.vault, database: database, ids: ids, time: time, logger: logger)
    }

    /// What proves webhooks: the settings, and what the store holds sealed.
    private static func webhookSecrets(
        _ owned: [String: OwnedSecrets], _ database: any Database, _ vault: Vault, _ time: TimeSource
    ) -> WebhookSecrets {
        WebhookSecrets(
            settings: owned, source: AppSecrets(database: database, vault: vault, time: time), time: time,
            extended: Set(Providers.subscriptionSources.map(\.about.id)))
    }

    /// What finds events by their values.
    private static func terms(_ vault: Vault, _ database: any Database, _ time: TimeSource) -> EventTerms {
        EventTerms(
            Dictionary(uniqueKeysWithValues: Providers.webhookSources.map { ($0.about.id, $0.webhooks.findable) }),
            vault: vault, database: database, time: time)
    }

    /// What tells the other nodes.
    private static func wakes(_ database: any Database, _ bells: Bells, logger: Logger) -> NodeWakes {
        NodeWakes(
            database: database,
            bells: [
                ("written", bells.written), ("placed", bells.placed), ("endpoints", bells.endpoints),
                ("jobs", bells.jobs),
            ], logger: logger)
    }

    /// What gives changes their places, and whoever follows them their news.
    private static func feed(
        _ database: any Database, _ bells: Bells, node: NodeSession, time: TimeSource, logger: Logger
    ) -> (ChangeHub, Sequencer) {
        (
            ChangeHub(database: database, placed: bells.placed, time: time, logger: logger),
            Sequencer(
                database: database, node: { node.id }, written: bells.written, placed: bells.placed, time: time,
                logger: logger)
        )
    }

    /// What may be dialled for others: private addresses where the operator opened them, plain HTTP in tests.
    private static func policy(_ settings: Settings) -> AddressPolicy {
        AddressPolicy(
            allowed: settings.allowedPrivateAddresses, allowsPlainHTTP: settings.mode == .test || settings.isDemo)
    }

    /// Who obtains the keys that deliveries name.
    private static func keys(
        _ settings: Settings, _ wire: GuardedWire, time: TimeSource, metrics: Metrics, logger: Logger
    ) -> RemoteKeys {
        RemoteKeys(
            reader: wire, certificates: { [roots = settings.certificateRoots] in try Roots.chain(to: roots) },
            time: time, program: version, metrics: metrics, logger: logger)
    }

    /// What acts on each platform's events, by its id.
    private static func handlers(
        _ settings: Settings, _ database: any Database, _ wire: HTTPWire, _ traffic: Traffic, ids: Identifiers,
        time: TimeSource
    ) -> [String: any EventHandler] {
        var handlers: [String: any EventHandler] = [:]
        for source in Providers.billingSources {
            let caller = settings.access(to: source.about.id).map { access in
                Engine.Caller(
                    source, key: access.key, address: access.address, wire: wire, now: time.now,
                    traffic: traffic)
            }
            handlers[source.about.id] = BillingHandler(Billing(source, database: database, caller: caller), ids: ids)
        }
        for source in Providers.all.compactMap({ $0 as? any GrantTeller }) {
            handlers[source.about.id] = GrantHandler(source, ids: ids)
        }
        for source in Providers.callbackSources { handlers[source.about.id] = GrantHandler(source, ids: ids) }
        for source in Providers.publishers {
            handlers[source.about.id] = PostNewsHandler(source, next: handlers[source.about.id], ids: ids)
        }
        return handlers
    }

    /// Whose events can be asked for: those with a key to ask by and an app that their webhooks belong to.
    private static func listed(
        _ settings: Settings, _ owned: [String: OwnedSecrets], _ wire: HTTPWire, _ traffic: Traffic, _ time: TimeSource
    ) -> [ListedSource] {
        Providers.eventListers.compactMap { source in
            guard let access = settings.access(to: source.about.id), let app = owned[source.about.id]?.app else {
                return nil
            }
            let caller = Engine.Caller(
                source, key: access.key, address: access.address, wire: wire, now: time.now, traffic: traffic)
            return ListedSource(source, caller: caller, app: app)
        }
    }

    /// Opens the node's session and declares the schedules; then the services may run.
    public func begin() async throws {
        try await node.open()
        try await sealing?.seal()
        try await traffic.circuits.begin()
        let first = time.now() + .minutes(1)
        try await database.write("schedules") { session in
            for schedule in Workers.schedules(firstAt: first) { try session.declare(schedule) }
        }
    }

    /// What runs until the process is told to stop; the last is stopped first. The runner ends the node's session, and
    /// with it the leases under which the sender records: the sender stops before it.
    public var services: [any Service] {
        let quotas = QuotaUpkeep(traffic.quotas, database: database, ids: ids, time: time, logger: logger)
        let always: [any Service] = [wakes, sequencer, hub, quotas, runner, sender]
        return (sealing.map { [$0 as any Service] } ?? []) + always
    }

    /// Accounts at platforms.
    public var connections: Connections { connecting.connections }

    /// Who may sign in to the dashboard.
    public var operators: Operators { Operators(database: database, ids: ids, settings: settings) }

    /// Ends what holds connections; after the services.
    public func close() async {
        await traffic.quotas.flush(all: true)
        await traffic.drain()
        await wire.close()
        await keyWire.close()
        await resolver.close()
        do { try await client.shutdown() } catch {
            logger.warning("http.not_closed", metadata: ["problem": "\(error)"])
        }
        await database.close()
    }

    static func settingsSecrets(
        _ settings: Settings, database: any Database, ids: Identifiers, now: Timestamp
    ) async throws -> [String: OwnedSecrets] {
        var owned: [String: OwnedSecrets] = [:]
        let plain = settings.plainWebhookSecrets.map {
            (key: $0, provider: Settings.ownedTogether[$0] ?? $0, name: String?.none, secrets: $1)
        }
        let routes = settings.webhookRoutes.map { key, route in
            (key: key, provider: String(key.prefix { $0 != "/" }), name: route.name, secrets: route.secrets)
        }
        for route in plain + routes where !route.secrets.isEmpty {
            let fresh: ID<AppKind> = ids.make()
            let app = try await database.write("settings_app") {
                try $0.settingsApp(of: route.provider, named: route.name ?? AppRow.settingsName, id: fresh, at: now)
            }
            owned[route.key] = OwnedSecrets(app: app, secrets: route.secrets, version: 1)
        }
        // Where webhooks can be ordered there is an app for the secret that comes of it.
        for provider in Providers.subscriptionSources.map(\.about.id)
        where owned[provider] == nil && settings.access(to: provider) != nil {
            let fresh: ID<AppKind> = ids.make()
            let app = try await database.write("settings_app") {
                try $0.settingsApp(of: provider, id: fresh, at: now)
            }
            owned[provider] = OwnedSecrets(app: app, secrets: [], version: 1)
        }
        return owned
    }
}

extension Settings {
    /// What proves each address's webhooks, newest first, by the platform's id, or that and a name behind it; empty
    /// where the address is off.
    public var webhookSecrets: [String: [WebhookSecret]] {
        plainWebhookSecrets.merging(webhookRoutes.mapValues { $0.isOn ? $0.secrets : [] }) { $1 }
    }

    /// Of the platforms whose schemes need nothing but secrets.
    var plainWebhookSecrets: [String: [WebhookSecret]] {
        ["stripe": stripe.webhookSecrets, "standard-webhooks": standardWebhooks, "svix": standardWebhooks]
    }

    /// Addresses whose secrets are another's: one owner, so that a delivery that was captured at one is known at both.
    static let ownedTogether = ["svix": "standard-webhooks"]

    /// How an address's webhooks are proven under these settings; nil for one that nobody knows.
    public func webhookScheme(of key: String) -> WebhookScheme? {
        webhookRoutes[key]?.scheme ?? Signing.scheme(of: String(key.prefix { $0 != "/" }))
    }

    /// This server as platforms reach it, or why none does.
    var addressForPlatforms: Result<String, Subscribing.Refusal> {
        if mode == .test || isDemo { return .success(SettingsRules.base(self)) }
        guard let publicURL, let url = try? OutsideURL(publicURL), url.scheme == .https, !url.host.isThisMachine else {
            return .failure(
                Subscribing.Refusal(
                    "PATCHBAY_PUBLIC_URL must be the https address under which platforms reach this server; "
                        + "\(publicURL.map { "it is \($0)" } ?? "it is not set"). Set it, and restart."))
        }
        return .success(publicURL)
    }

    /// What it takes to ask a platform something; nil where no key is set.
    func access(to provider: String) -> (key: Secret, address: String?)? {
        guard provider == "stripe", let key = stripe.secretKey else { return nil }
        return (key, stripe.baseURL)
    }
}
