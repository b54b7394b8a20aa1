import Engine
import Glibc
import Kit
import Logging
import Store

/// What `/metrics` answers: what is counted as it happens, and gauges that are read when somebody asks.
///
/// The state is the last look and the one under way: whoever asks within a second gets the same, so that many
/// scrapers cost what one costs.
actor Scrape {
    private static let life = Duration.seconds(1)
    /// Whoever scrapes gives up after ten seconds, as a rule, and then sees nothing at all.
    private static let patience = Duration.seconds(5)

    private let metrics: Metrics
    private let database: any Database
    private let time: TimeSource
    private let logger: Logger
    private let began: Duration
    private var lookedAt: Duration?
    private var look: Task<Void, Never>?

    init(metrics: Metrics, database: any Database, time: TimeSource, logger: Logger) {
        self.metrics = metrics
        self.database = database
        self.time = time
        self.logger = logger
        began = time.uptime()
    }

    /// Never fails: without a database it says `patchbay_database_up 0` and what the process knows of itself.
    func exposition() async -> String {
        if let look {
            await look.value
        } else if lookedAt.map({ time.uptime() - $0 >= Self.life }) ?? true {
            let new = Task { await self.refresh() }
            look = new
            await new.value
            look = nil
            lookedAt = time.uptime()
        }
        return metrics.exposition
    }

    private func refresh() async {
        process()
        let now = time.now()
        do {
            let (gauges, health) = try await Deadline(limit: Self.patience).of { [database] in
                (try await database.read("gauges") { try $0.gauges(at: now) }, try await database.health())
            }
            store(gauges, at: now)
            size(health)
            metrics.set("patchbay_database_up", to: 1, help: "1 while the database answers.")
        } catch {
            metrics.set("patchbay_database_up", to: 0, help: "1 while the database answers.")
            logger.warning("metrics.not_read", metadata: ["problem": "\(error)"])
        }
    }

    private func store(_ gauges: StoreGauges, at now: Timestamp) {
        for (state, count) in gauges.jobs {
            metrics.set(
                "patchbay_jobs", ["state": state], to: Double(count),
                help: "Jobs by state: counted to \(StoreGauges.countMax), then estimated (PostgreSQL) or cut (SQLite).")
        }
        metrics.set(
            "patchbay_job_age_seconds", to: gauges.oldestDueAt.map { max(0, (now - $0).inSeconds) } ?? 0,
            help: "How long the oldest job that could run has been due; 0 when none waits.")
        metrics.set(
            "patchbay_feed_position", to: Double(gauges.feedPosition), help: "The last position given in the feed.")
        metrics.forget("patchbay_endpoint_lag")
        for (endpoint, lag) in gauges.endpointLag {
            metrics.set(
                "patchbay_endpoint_lag", ["endpoint": endpoint], to: Double(lag),
                help: "Positions of the feed that an endpoint has not reached; the \(StoreGauges.endpointsMax) oldest.")
        }
    }

    private func size(_ health: StoreHealth) {
        metrics.set(
            "patchbay_database_bytes", to: Double(health.bytes), help: "Size of the database's file or files.")
        guard health.engine == .sqlite else { return }
        metrics.set(
            "patchbay_wal_bytes", to: Double(health.walBytes),
            help: "Size of SQLite's log; above \(AlertReview.logBytesMax) the alert wal_large stands.")
    }

    private func process() {
        metrics.set(
            "patchbay_process_resident_bytes", to: Double(Machine.residentBytes), help: "Memory of the process.")
        metrics.set(
            "patchbay_process_open_descriptors", to: Double(Machine.openDescriptors),
            help: "Files and sockets that the process has open.")
        metrics.set(
            "patchbay_process_uptime_seconds", to: (time.uptime() - began).inSeconds,
            help: "Since this process began to serve.")
    }
}
