import Engine
import Kit
import Logging
import Store

/// What works on jobs, one worker a kind, and the schedules of those that come by themselves.
struct Workers: Sendable {
    private let settings: Settings
    private let database: any Database
    private let ids: Identifiers
    private let time: TimeSource
    private let bells: Bells
    private let logger: Logger
    var objects: ObjectStore?
    var publishing: PublishingHooks?
    var vault: Vault?

    init(
        _ settings: Settings, database: any Database, ids: Identifiers, time: TimeSource, bells: Bells, logger: Logger
    ) {
        self.settings = settings
        self.database = database
        self.ids = ids
        self.time = time
        self.bells = bells
        self.logger = logger
    }

    /// - Parameter handlers: what acts on each platform's events, by its id.
    func all(
        handlers: [String: any EventHandler], endpoints: Endpoints, reconciling: EventReconciling
    ) -> [any JobWorker] {
        let lives = Providers.webhookSources.map { ($0.about.id, $0.webhooks.identityLife) }
        let erasing = UserErasing(
            database: database,
            accounts: ForsakenAccounts(Providers.syncBook, database: database, time: time, logger: logger), ids: ids,
            time: time, bells: bells, objects: objects, logger: logger)
        return publishers + [
            EventApplying(database: database, handlers: handlers, ids: ids, time: time, bells: bells),
            RecoveryWorker(endpoints: endpoints),
            EventReleasing(database: database, ids: ids, time: time, bells: bells),
            erasing, AccountErasing(erasing),
            ErasureSweep(database: database, time: time, logger: logger),
            ReplayWorker(database: database, ids: ids, time: time, bells: bells),
            IntegrityWorker(database: database, ids: ids, time: time, logger: logger),
            reconciling,
            SilenceWorker(lives.map(\.0), database: database, ids: ids, time: time),
            CompressionWorker(database: database, time: time, logger: logger),
            RadarWorker(Radar(Providers.ageing, database: database, ids: ids), time: time) { [bells] in
                bells.written.ring()
            },
            RetentionWorker(
                database: database, limits: settings.retention.limits,
                identityLives: Dictionary(uniqueKeysWithValues: lives), histories: Providers.syncBook.tables,
                time: time,
                logger: logger),
        ]
    }

    /// What does what people decide, about many things at once too.
    func decisions(_ endpoints: Endpoints, read: @escaping UnreadableDecider.Reading) -> [any JobWorker] {
        let deciders = Hooks.deciders(
            ids: ids, database: database, publishing: publishing?.publishing, read: read)
        return [
            BulkWorker(
                database: database, ids: ids, time: time, bells: bells, deciders: deciders,
                endpoints: settings.encryptionKeys.isEmpty ? nil : endpoints, logger: logger),
            HeldDecisions(database: database, ids: ids, time: time, bells: bells, deciders: deciders),
        ]
    }

    /// What looks after webhooks that are ordered at platforms.
    func subscriptions(_ subscribing: Subscribing, _ vault: Vault, _ secrets: WebhookSecrets) -> any JobWorker {
        SubscriptionWorker(
            subscribing, credentials: AppCredentials(Providers.appSources, vault, ids), database: database, ids: ids,
            time: time, bells: bells, logger: logger, secretsChanged: { secrets.forget($0) })
    }

    /// What publishes, and sees to the files for it.
    private var publishers: [any JobWorker] {
        var workers: [any JobWorker] = [ObjectSweep(objects, logger: logger)]
        if let publishing, let vault {
            workers.append(
                PublicationWorker(
                    publishing.publishing, caller: publishing.caller, database: database, vault: vault, ids: ids,
                    time: time, bells: bells, logger: logger, lateMax: settings.publishLateMax))
        }
        workers.append(PublicationSweep(database: database, ids: ids, time: time, bells: bells))
        return workers
    }

    /// Declared at each start; what is declared already goes on as it was.
    static func schedules(firstAt first: Timestamp) -> [NewSchedule] {
        [
            RetentionWorker.schedule(firstAt: first), ErasureSweep.schedule(firstAt: first),
            ConnectionSweep.schedule(firstAt: first),
            SyncSweep.schedule(firstAt: first),
            IntegrityWorker.schedule(firstAt: first + .minutes(10)),
            EventReconciling.schedule(firstAt: first + .minutes(1)),
            SilenceWorker.schedule(firstAt: first + .minutes(15)),
            CompressionWorker.schedule(firstAt: first + .minutes(20)),
            RadarWorker.schedule(firstAt: first + .minutes(2)),
            ObjectSweep.schedule(firstAt: first + .minutes(5)),
            PublicationSweep.schedule(firstAt: first),
            EventTermsWorker.schedule(firstAt: first),
            SubscriptionWorker.schedule(firstAt: first + .minutes(30)),
            AccountSubscriptionWorker.schedule(firstAt: first + .minutes(3)),
        ]
    }
}
