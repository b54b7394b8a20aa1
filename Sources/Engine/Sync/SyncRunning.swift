import Kit
public import Logging
public import Store

/// Runs a sync: page by page, each page's rows with the place reached in one commit that the job's fence allows. A
/// process that dies in the middle is followed by one that goes on behind the last page that was kept.
public struct SyncRunning: JobWorker {
    public static let kind = "sync.run"
    /// One after the other, then the lane's next job has its turn: nobody's first sync holds a slot for an hour.
    private static let stepsAtOnce = 50

    public var kind: String { Self.kind }
    public var retries: RetryPolicy { RetryPolicy(attemptsMax: 8, givesUpAfter: .hours(4)) }
    private let syncs: Syncs
    private let caller: ConnectionCaller
    private let database: any Database
    private let time: TimeSource
    private let bells: Bells
    private let logger: Logger
    /// `tiktok.videos`: streams whose rows are told of one by one.
    private let told: Set<String>

    public init(
        _ syncs: Syncs, caller: ConnectionCaller, telling told: Set<String> = [], database: any Database,
        time: TimeSource, bells: Bells, logger: Logger
    ) {
        self.syncs = syncs
        self.caller = caller
        self.told = told
        self.database = database
        self.time = time
        self.bells = bells
        self.logger = logger
    }

    public func run(_ job: ClaimedJob) async throws -> JobResult {
        let id = ID<SyncKind>(stored: String(decoding: job.input, as: UTF8.self))
        let found = try await database.read("sync") { session in
            try session.sync(id).map { ($0, try session.connection($0.connection)) }
        }
        guard let (row, connection) = found, row.state.isLive else { return .cancelled(reason: "It has ended.") }
        guard let connection, let stream = syncs.book.stream(row.stream, of: row.provider) else {
            return try await cancel(row, "The connection is gone, or nothing here reads \(row.stream).", job)
        }
        do { try syncs.check(stream, connection) } catch { return try await refused(error, row, connection, job) }
        return try await steps(SyncRun(row: row, stream: stream, connection: connection, job: job))
    }

    private func steps(_ start: SyncRun) async throws -> JobResult {
        var run = start
        for _ in 0..<Self.stepsAtOnce {
            do { run.row = try await step(run) } catch let problem as CallProblem {
                return try await met(problem, run)
            } catch let problem as SyncProblem {
                return try await fail(run.row, run.connection, problem, run.job)
            } catch is Ended {
                return .cancelled(reason: "It was ended meanwhile.")
            }
            if !run.row.state.isLive { return .committed }
        }
        throw JobInterruption.released
    }

    /// Its connection is gone, or somebody was erased: nothing of the step is kept.
    private struct Ended: Error {}

    // MARK: One step

    private func step(_ run: SyncRun) async throws -> SyncRow {
        let began = time.now()
        switch run.row.phase {
        case .list:
            let asked = try await caller.ask(run.stream.list(run.question), on: run.errand)
            return try await keep(asked.output, sentAt: asked.sentAt, run, began)
        case .confirm, .refresh:
            let keys = try await database.read("sync_keys") { try run.candidates(in: $0, at: began) }
            guard let lookup = run.stream.lookup, !keys.isEmpty else {
                // Nobody can be asked: what the whole list did not show is gone.
                return try await keep([], of: keys, sentAt: began, run, began)
            }
            let asked = try await caller.ask(lookup.call(keys, run.question), on: run.errand)
            return try await keep(asked.output, of: keys, sentAt: asked.sentAt, run, began)
        }
    }

    /// A page, with the place that it leads to.
    private func keep(_ page: StreamPage, sentAt: Timestamp, _ run: SyncRun, _ began: Timestamp) async throws -> SyncRow
    {
        let platform = syncs.book.platform(run.row.provider)
        guard page.next != .lost else { throw SyncProblem.loop(platform) }
        return try await commit(run, page.rows, sentAt: sentAt, began) { session, step in
            step.pages = 1
            step.emptyPages = page.rows.isEmpty ? run.row.emptyPages + 1 : 0
            guard step.emptyPages <= SyncRun.emptyPagesMax else { throw SyncProblem.empty(platform, step.emptyPages) }
            step.newest = [run.row.newest, page.rows.compactMap(\.at).max()].compactMap { $0 }.max()
            guard case .page(let cursor) = page.next, !run.isCovered(by: page) else { return }
            guard try session.remember(SyncRun.hash(cursor), of: run.row.id) else { throw SyncProblem.loop(platform) }
            step.position = cursor
        }
    }

    /// Rows that were asked for by their keys; while it confirms, those that the platform does not have are gone.
    private func keep(
        _ rows: [StreamRow], of keys: [String], sentAt: Timestamp, _ run: SyncRun, _ began: Timestamp
    ) async throws -> SyncRow {
        let now = time.now()
        let news = SyncNews(syncs.ids, rows: tells(run) ? keys.count : 0)
        return try await commit(run, rows, sentAt: sentAt, began) { session, step in
            step.newest = run.row.newest
            step.position = keys.last ?? run.row.position
            guard run.row.phase == .confirm, let started = run.row.startedAt else { return }
            let there = Set(rows.map(\.key))
            let gone = try session.markDeleted(
                keys.filter { !there.contains($0) }, unobservedSince: started, in: run.table, of: run.row.account,
                at: now)
            step.deleted = gone.count
            try news.changed(
                gone.map { (key: $0, what: "deleted") }, run.row, run.connection, observed: sentAt, in: session, at: now
            )
        }
    }

    private func tells(_ run: SyncRun) -> Bool { told.contains("\(run.row.provider).\(run.row.stream)") }

    // MARK: Commits

    /// Rows, the place reached, and the run's end where it has come: one commit, or nothing of it.
    private func commit(
        _ run: SyncRun, _ rows: [StreamRow], sentAt: Timestamp, _ began: Timestamp,
        _ place: @escaping @Sendable (Session, inout SyncStep) throws -> Void
    ) async throws -> SyncRow {
        let (now, ids, syncs) = (time.now(), syncs.ids, syncs)
        let tells = tells(run)
        let news = SyncNews(ids, rows: tells ? rows.count : 0)
        let (ready, due) = (Syncs.Ready(ids), Syncs.next(run.stream, after: now, chance: ids.unit()))
        let started = run.row.startedAt ?? began
        let row = try await database.set("sync_page", in: .work) { session in
            try session.hold(run.job)
            let kept = try session.keep(
                rows, in: run.table, of: run.row.account, source: "sync", observedAt: sentAt, at: now)
            if tells {
                let keys = kept.new.map { (key: $0, what: "new") } + kept.changed.map { (key: $0, what: "changed") }
                try news.changed(keys, run.row, run.connection, observed: sentAt, in: session, at: now)
            }
            var step = SyncStep(run.row.phase, at: nil)
            (step.read, step.new, step.changed) = (rows.count, kept.new.count, kept.changed.count)
            try place(session, &step)
            let isOver = try run.next(&step, started: started, in: session, at: now)
            guard try session.advance(run.row.id, step, started: started) else { throw Ended() }
            if isOver { try finish(run, syncs, news, ready, due: due, in: session, at: now) }
            guard let row = try session.sync(run.row.id) else { throw StoreError.conflict }
            return row
        }
        if !row.state.isLive {
            logger.info(
                "sync.completed",
                metadata: ["sync": "\(row.id)", "rows": "\(row.rowsRead)", "new": "\(row.rowsNew)"])
            bells.jobs.ring()
        }
        if tells || !row.state.isLive { bells.written.ring() }
        return row
    }

    private func finish(
        _ run: SyncRun, _ syncs: Syncs, _ news: SyncNews, _ ready: Syncs.Ready, due: Timestamp, in session: Session,
        at now: Timestamp
    ) throws {
        guard let row = try session.sync(run.row.id), let began = row.startedAt else { throw StoreError.conflict }
        let state = try session.holdStreamState(of: row.stream, account: row.account, at: row.provider, due: due)
        try session.settle(
            state, bookmark: [state.bookmark, row.newest].compactMap { $0 }.max(), began: began,
            shape: row.listsAll ? run.table.shape : nil, due: due)
        try session.end(row.id, .succeeded, at: now)
        if let done = try session.sync(row.id) { try news.completed(done, run.connection, in: session, at: now) }
        if row.again, let connection = try session.connection(row.connection) {
            do {
                _ = try syncs.begin(run.stream, of: connection, .webhook, ready, in: session, at: now)
            } catch is Syncs.Refusal {}  // Nothing can be asked any more: there will be no other run.
        }
        try session.succeed(run.job, at: now)
    }

    // MARK: What goes wrong

    private func met(_ problem: CallProblem, _ run: SyncRun) async throws -> JobResult {
        let (id, now) = (run.row.id, time.now())
        switch problem {
        case .held(let hold):
            try await note(hold.reason, code: "held", who: nil, until: hold.until, of: id)
            throw problem.interruption ?? JobInterruption.released
        case .failed(let failure):
            let connection = try await database.read("connection", { try $0.connection(run.row.connection) })
            guard let connection else { return try await cancel(run.row, "The connection is gone.", run.job) }
            // Somebody paused it, or the platform no longer accepts it: that says more than the call.
            do { try syncs.check(run.stream, connection) } catch {
                return try await refused(error, run.row, connection, run.job)
            }
            let failing = now - (run.job.firstFailedAt ?? now)
            guard failure.passes, run.job.attempt < retries.attemptsMax, failing < retries.givesUpAfter else {
                return try await fail(run.row, connection, SyncProblem(failure), run.job)
            }
            try await note(
                failure.message, code: failure.kind.name, who: failure.who.rawValue,
                until: failure.retryAfter.map { now + $0 }, of: id)
            if let wait = failure.retryAfter { throw JobInterruption.later(at: now + wait, reason: failure.message) }
            throw failure
        }
    }

    private func note(
        _ problem: String, code: String, who: String?, until: Timestamp?, of id: ID<SyncKind>
    ) async throws {
        try await database.set("sync_note", in: .work) {
            try $0.note(problem, code: code, who: who, until: until, of: id)
        }
    }

    private func refused(
        _ refusal: Syncs.Refusal, _ row: SyncRow, _ connection: ConnectionRow, _ job: ClaimedJob
    ) async throws -> JobResult {
        switch refusal {
        case .gone, .noSuchStream: return try await cancel(row, "The connection is gone.", job)
        case .paused: return try await cancel(row, "The connection is paused.", job)
        case .notConnected:
            let name = syncs.book.platform(row.provider)
            return try await fail(
                row, connection,
                SyncProblem(
                    SyncProblem.notConnected,
                    "\(name) no longer accepts this connection. Connect the account again.", by: .yourUser), job)
        case .missing(let scopes):
            return try await fail(
                row, connection,
                SyncProblem(
                    "missing_scope",
                    "The account's owner has not allowed \(scopes.joined(separator: ", ")). "
                        + "Connect again and allow it.", by: .yourUser), job)
        }
    }

    private func cancel(_ row: SyncRow, _ reason: String, _ job: ClaimedJob) async throws -> JobResult {
        let now = time.now()
        try await database.write("sync_cancel", in: .work) { session in
            try session.hold(job)
            try session.end(row.id, .cancelled, code: "cancelled", problem: reason, at: now)
            guard try session.complete([EndedJob(job: job, end: .cancelled(reason: reason), at: now)]) == [true] else {
                throw Fenced(job: job.id.text)
            }
        }
        return .committed
    }

    private func fail(
        _ row: SyncRow, _ connection: ConnectionRow, _ problem: SyncProblem, _ job: ClaimedJob
    ) async throws -> JobResult {
        let (now, news, platform) = (time.now(), SyncNews(syncs.ids), syncs.book.platform(row.provider))
        let stream = syncs.book.stream(row.stream, of: row.provider)
        let due = stream.map { Syncs.next($0, after: now, chance: syncs.ids.unit()) } ?? now + .hours(6)
        try await database.write("sync_fail", in: .work) { session in
            try session.hold(job)
            try session.end(
                row.id, .failed, code: problem.code, problem: problem.sentence, who: problem.who.rawValue, at: now)
            try session.noteFailure(
                problem.sentence, code: problem.code, of: row.stream, account: row.account, at: row.provider, due: due,
                now: now)
            if let failed = try session.sync(row.id) {
                try news.failed(failed, connection, problem, platform: platform, in: session, at: now)
            }
            try session.succeed(job, at: now)
        }
        logger.warning("sync.failed", metadata: ["sync": "\(row.id)", "code": "\(problem.code)"])
        bells.written.ring()
        return .committed
    }
}
