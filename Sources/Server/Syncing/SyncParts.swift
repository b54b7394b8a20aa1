import Engine
import Kit
import Logging
import Store

/// What reads accounts' data, put together from the settings.
struct SyncParts: Sendable {
    let syncs: Syncs
    let workers: [any JobWorker]

    init(
        _ settings: Settings, _ caller: ConnectionCaller, database: any Database, ids: Identifiers, time: TimeSource,
        bells: Bells, logger: Logger
    ) {
        let syncs = Syncs(Providers.syncBook, ids: ids)
        let forsaken = ForsakenAccounts(syncs.book, database: database, time: time, logger: logger)
        self.syncs = syncs
        workers = [
            SyncBeginning(syncs, database: database, time: time, bells: bells),
            SyncRunning(
                syncs, caller: caller, telling: settings.toldRecords, database: database, time: time, bells: bells,
                logger: logger),
            SyncSweep(syncs, forgetting: forsaken, database: database, time: time, bells: bells),
            AccountForgetting(forsaken),
            RecordReconciling(syncs, caller: caller, database: database, time: time, bells: bells),
        ]
    }

    /// Platforms' events wake streams beside whatever else they do.
    static func waking(_ handlers: [String: any EventHandler], ids: Identifiers) -> [String: any EventHandler] {
        let syncs = Syncs(Providers.syncBook, ids: ids)
        var handlers = handlers
        for provider in syncs.book.providers {
            handlers[provider] = WakingHandler(syncs, beside: handlers[provider])
        }
        return handlers
    }
}
