import AsyncHTTPClient
import Certificates
import Engine
import FoundationEssentials
public import Kit
public import Logging
import Store

/// Looks at settings, database and disk, and says what is well, what is not, and what to do.
///
/// Needs no running server and disturbs none: it opens the database beside it, and what it writes is undone.
public struct Doctor: Sendable {
    private let settings: Settings
    private let logger: Logger
    private let now: @Sendable () -> Timestamp

    public init(_ settings: Settings, logger: Logger, now: @escaping @Sendable () -> Timestamp) {
        self.settings = settings
        self.logger = logger
        self.now = now
    }

    /// Every finding, in the order in which somebody would mend things.
    public func examine() async -> [Finding] {
        build + SettingsRules.findings(settings) + roots + (await databaseFindings())
    }

    /// What the platforms say to harmless questions, and this server by its public address. Reaches out as `serve`
    /// does: within quotas and written down, where there is a database of this schema.
    public func examineOnline() async -> [Finding] {
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: HTTPWire.configuration)
        let time = TimeSource.system
        let ids = Identifiers(now: now)
        let database = await usableDatabase()
        let traffic = database.map { database in
            Traffic(
                quotas: Quotas(
                    book: QuotaBook(Providers.limited), limiter: Limiter(time: time),
                    keeper: DatabaseKeeper(database: database, now: time.now),
                    isShared: database.dialect.engine == .postgres, node: { "doctor" }, time: time, logger: logger),
                circuits: Circuits(database: database, time: time, logger: logger),
                recorder: CallRecorder(database: database, metrics: Metrics(), time: time, logger: logger), ids: ids,
                time: time)
        }
        let wire = HTTPWire(client: client)
        let findings = await OnlineDoctor(
            settings: settings, prober: Prober(wire: wire, traffic: traffic, time: time), wire: wire,
            database: database, vault: Vault(keyring: Keyring(settings.encryptionKeys.map { ($0.id, $0.secret) })),
            ids: ids, now: now
        ).examine()
        await traffic?.quotas.flush(all: true)
        await traffic?.drain()
        do { try await client.shutdown() } catch {
            logger.warning("http.not_closed", metadata: ["problem": "\(error)"])
        }
        await database?.close()
        return findings
    }

    /// The database, where it is there and of this program's schema; what is wrong with it says `examine`.
    private func usableDatabase() async -> (any Database)? {
        if case .sqlite(let path) = settings.database, !FileManager.default.fileExists(atPath: path) { return nil }
        do {
            let database = try Instance.open(settings.database, owner: false, logger: logger)
            if let state = try? await database.schemaState(), state.version == Migrations.known { return database }
            await database.close()
        } catch {
            logger.debug("doctor.without_database", metadata: ["problem": "\(error)"])
        }
        return nil
    }

    private var build: [Finding] {
        #if DEBUG
            [
                Finding(
                    "program", .warning, "Patchbay \(Instance.version), a debug build: do not measure.",
                    advice: "Build it with: swift build -c release")
            ]
        #else
            [Finding("program", .ok, "Patchbay \(Instance.version).")]
        #endif
    }

    /// Where a platform's certificate is to be checked.
    private var roots: [Finding] {
        let needing = settings.webhookRoutes.filter { _, route in
            guard route.isOn, case .remote(let proof) = route.scheme.verification else { return false }
            return proof.fetching.bringsCertificates
        }
        guard !needing.isEmpty else { return [] }
        do {
            let chain = try Roots.chain(to: settings.certificateRoots)
            let own = settings.certificateRoots == nil ? "" : " of PATCHBAY_CERTIFICATE_ROOTS, for tests"
            return [Finding("certificates", .ok, "Chains may end at \(chain.rootsCount) root certificates\(own).")]
        } catch {
            let routes = needing.keys.sorted().map { "/webhooks/\($0)" }.joined(separator: ", ")
            return [
                Finding("certificates", .failed, error.reason, advice: "Without it nothing is believed at \(routes).")
            ]
        }
    }

    private func databaseFindings() async -> [Finding] {
        var findings: [Finding] = []
        if case .sqlite(let path) = settings.database {
            findings += disk(of: path)
            guard FileManager.default.fileExists(atPath: path) else {
                let empty = Finding("database.reachable", .ok, "\(path) is not there yet; the first start makes it.")
                return findings + [empty] + DoctorRules.keys(settings.encryptionKeys.map(\.id), sealed: [])
            }
        }
        do {
            let database = try Instance.open(settings.database, owner: false, logger: logger)
            findings += await Self.reported { try await self.examine(database) }
            await database.close()
        } catch {
            findings.append(Self.unreachable(error))
        }
        return findings
    }

    /// What the database says. Stops at the first thing without which the rest means nothing.
    private func examine(_ database: any Database) async throws -> [Finding] {
        let health = try await database.health()
        let name = health.engine == .sqlite ? "SQLite" : "PostgreSQL"
        var findings = [
            Finding("database.reachable", .ok, "\(name) \(health.version) at \(health.place)."),
            DoctorRules.durability(health),
        ]
        if health.isPooled {
            findings.append(
                Finding(
                    "database.pooled", .warning, "A pooler such as PgBouncer lends the connections.",
                    advice: "Connect to PostgreSQL itself: sessions, locks and LISTEN do not pass a transaction pooler."
                ))
        }
        let state = try await database.schemaState()
        findings.append(DoctorRules.schema(state))
        guard state.version > 0, state.version <= Migrations.known else { return findings }

        findings.append(try await writing(to: database))
        if health.engine == .postgres {
            findings.append(DoctorRules.sync(try await medianCommit(on: database), what: "A commit"))
        }
        let moment = now()
        let (facts, sealed, apps, nodes, subscriptions) = try await database.read("doctor") { session in
            (
                try session.storeFacts(at: moment), try session.sealedCounts(),
                try session.apps(after: nil, limit: 100),
                try session.nodes(endedAfter: moment).filter { $0.stoppedAt == nil && $0.revokedAt == nil },
                try session.webhookSubscriptions(limit: 100)
            )
        }
        let space = health.engine == .sqlite ? DiskSpace(at: health.place) : nil
        findings += [DoctorRules.mode(facts.mode, settings.mode)].compactMap { $0 }
        findings += SettingsRules.apps(apps, settings) + subscriptions.map(SettingsRules.subscription)
        findings += DoctorRules.keys(settings.encryptionKeys.map(\.id), sealed: sealed)
        let months = sealed.filter { $0.table == .bodies }.reduce(0) { $0 + $1.rows }
        findings.append(DoctorRules.bodies(areSealed: settings.sealsBodies, months: months))
        findings.append(DoctorRules.eventSize(facts, bytes: health.bytes))
        findings.append(DoctorRules.room(facts, bytes: health.bytes, space: space, at: moment))
        findings.append(DoctorRules.clock(facts, at: now()))
        return findings + [Self.serving(nodes, at: moment)]
    }

    private static func serving(_ nodes: [NodeRow], at now: Timestamp) -> Finding {
        let alive = nodes.filter { now - $0.beatAt < .seconds(20) }
        guard !alive.isEmpty else { return Finding("nodes", .off, "No node serves this database now.") }
        let names = alive.prefix(5).map { "\($0.host) (process \($0.process), \($0.program))" }
        return Finding("nodes", .ok, "\(alive.count) serving: \(names.joined(separator: ", ")).")
    }

    // MARK: Trying

    /// Thrown so that what was written is undone.
    private struct Undone: Error {}

    private func writing(to database: any Database) async throws -> Finding {
        do {
            try await database.write("doctor_write") { session in
                try session.probeWriting()
                throw Undone()
            }
        } catch is Undone {
            return Finding("database.writable", .ok, "It takes a row (undone).")
        } catch let error as StoreError {
            return Finding(
                "database.writable", .failed, "\(error)", advice: "Give the program's user the right to write there.")
        }
        return Finding("database.writable", .ok, "It takes a row.")
    }

    /// Of twenty transactions that write a row each.
    private func medianCommit(on database: any Database) async throws -> Duration {
        var times: [Duration] = []
        for _ in 0..<20 {
            let start = ContinuousClock.now
            try await database.set("doctor_commit", in: .maintenance) { _ in }
            times.append(ContinuousClock.now - start)
        }
        return times.sorted()[times.count / 2]
    }

    private func disk(of path: String) -> [Finding] {
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        var findings: [Finding] = []
        if let filesystem = Filesystem.holding(folder) {
            let risk = filesystem.risk
            findings.append(
                Finding(
                    "disk.kind", risk?.verdict ?? .ok,
                    risk?.sentence ?? "\(filesystem.type) at \(filesystem.mountPoint).", advice: risk?.advice))
        }
        do throws(SyncProbe.Unwritable) {
            findings.append(DoctorRules.sync(try SyncProbe.median(in: folder), what: "A sync of 4 KB in \(folder)"))
        } catch {
            findings.append(
                Finding(
                    "disk.sync", .failed, "\(folder) cannot be written: \(error.reason).",
                    advice: "Give the program's user the right to write there."))
        }
        return findings
    }

    private static func reported(_ work: () async throws -> [Finding]) async -> [Finding] {
        do { return try await work() } catch { return [unreachable(error)] }
    }

    private static func unreachable(_ error: any Error) -> Finding {
        Finding(
            "database.reachable", .failed, "\(error)",
            advice: "Check PATCHBAY_DATABASE_URL, and that the database runs and lets this user in.")
    }
}
