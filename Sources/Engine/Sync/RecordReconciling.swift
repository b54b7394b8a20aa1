public import Kit
public import Store

/// Compares what is kept of a stream with what the platform says now: names each row that differs, and puts it right
/// where that was asked for.
///
/// All of the list is read, page by page, each with its place in one commit; then what is here and was not shown is
/// looked up, since a row can fall through the edge of two pages.
public struct RecordReconciling: JobWorker {
    public static let kind = "records.reconcile"
    private static let stepsAtOnce = 50
    /// Comparisons that are kept, a stream of a connection.
    private static let kept = 20

    public var kind: String { Self.kind }
    public var retries: RetryPolicy { RetryPolicy(attemptsMax: 8, givesUpAfter: .hours(4)) }
    private let syncs: Syncs
    private let caller: ConnectionCaller
    private let database: any Database
    private let time: TimeSource
    private let bells: Bells

    public init(_ syncs: Syncs, caller: ConnectionCaller, database: any Database, time: TimeSource, bells: Bells) {
        self.syncs = syncs
        self.caller = caller
        self.database = database
        self.time = time
        self.bells = bells
    }

    /// Begins a comparison; one that is under way is answered instead. Within the caller's transaction.
    ///
    /// - Parameter repairs: whether what differs is put right.
    public static func begin(
        _ stream: SyncStream, of connection: ConnectionRow, repairs: Bool, askedBy: String?, _ syncs: Syncs,
        in session: Session, at now: Timestamp, ids ready: (id: ID<ReconciliationKind>, job: ID<JobKind>)
    ) throws -> ReconciliationRow {
        try syncs.check(stream, connection)
        _ = try session.holdConnection(connection.id)
        if let live = try session.liveReconciliation(of: connection.id, stream: stream.name) {
            if try session.isAlive(live.job) { return live }
            try session.note("Its job was given up.", of: live.id, endedAt: now)
        }
        let new = NewReconciliation(
            id: ready.id, provider: connection.provider, app: connection.app, stream: stream.name, job: ready.job,
            askedBy: askedBy, since: now, until: now, isDryRun: !repairs)
        try session.begin(new, of: connection.id, at: now)
        try session.trimReconciliations(of: connection.id, stream: stream.name, keeping: kept)
        try session.enqueue([
            NewJob(
                id: ready.job, kind: kind, lane: Lane(connection.id.text, .sync), dueAt: now, createdAt: now,
                input: Array(ready.id.text.utf8), subject: ready.id.text)
        ])
        guard let row = try session.reconciliation(ready.id) else { throw StoreError.conflict }
        return row
    }

    public func run(_ job: ClaimedJob) async throws -> JobResult {
        let id = ID<ReconciliationKind>(stored: String(decoding: job.input, as: UTF8.self))
        let found = try await database.read("reconciliation") { session in
            try session.reconciliation(id).map { row in
                (row, try row.connection.flatMap { try session.connection($0) })
            }
        }
        guard let (row, connection) = found, row.state == "running" else { return .cancelled(reason: "It has ended.") }
        guard let connection, let stream = syncs.book.stream(row.stream, of: row.provider) else {
            return try await fail("The connection is gone.", row, job)
        }
        do { try syncs.check(stream, connection) } catch {
            return try await fail("The connection cannot be asked: it is \(connection.state.rawValue).", row, job)
        }
        var comparing = Comparing(row: row, stream: stream, connection: connection, job: job)
        for _ in 0..<Self.stepsAtOnce {
            do { comparing.row = try await step(comparing) } catch let problem as CallProblem {
                return try await met(problem, comparing)
            } catch let problem as SyncProblem {
                return try await fail(problem.sentence, row, job)
            }
            if comparing.row.state != "running" { return .committed }
        }
        throw JobInterruption.released
    }

    // MARK: Steps

    private func step(_ comparing: Comparing) async throws -> ReconciliationRow {
        switch comparing.place {
        case .list(let cursor):
            let asked = try await caller.ask(comparing.stream.list(comparing.question(cursor)), on: comparing.errand)
            let next: Comparing.Place
            switch asked.output.next {
            case .lost: throw SyncProblem.loop(syncs.book.platform(comparing.row.provider))
            case .end: next = .check(after: "")
            case .page(let further): next = .list(further)
            }
            return try await commit(comparing, asked.output.rows, missing: [], sentAt: asked.sentAt, to: next)
        case .check(let last):
            let keys = try await database.read("unseen") { try comparing.unseen(after: last, in: $0) }
            guard let lookup = comparing.stream.lookup, !keys.isEmpty else {
                return try await commit(
                    comparing, [], missing: keys, sentAt: time.now(), to: keys.last.map { .check(after: $0) })
            }
            let asked = try await caller.ask(lookup.call(keys, comparing.question(nil)), on: comparing.errand)
            let there = Set(asked.output.map(\.key))
            return try await commit(
                comparing, asked.output, missing: keys.filter { !there.contains($0) }, sentAt: asked.sentAt,
                to: keys.last.map { .check(after: $0) })
        }
    }

    private func commit(
        _ comparing: Comparing, _ rows: [StreamRow], missing: [String], sentAt: Timestamp, to next: Comparing.Place?
    ) async throws -> ReconciliationRow {
        let now = time.now()
        let (change, platform) = (syncs.ids.make(ChangeKind.self), syncs.book.platform(comparing.row.provider))
        let row = try await database.set("reconcile_records", in: .work) { session in
            try session.hold(comparing.job)
            if case .list(let cursor?)? = next {
                let isNew = try session.remember(SyncRun.hash(cursor), of: ID(stored: comparing.row.id.text))
                guard isNew else { throw SyncProblem.loop(platform) }
            }
            let (table, account) = (comparing.stream.table, comparing.connection.openID)
            // One that was compared on an earlier page counts once.
            let seen = try session.seen(rows.map(\.key), by: comparing.row.id)
            let fresh = rows.filter { !seen.contains($0.key) }
            var found = try comparing.compare(fresh, sentAt: sentAt, in: session)
            found.differences += missing.map { RecordDifference(key: $0, kind: .missingThere, fields: []) }
            if !comparing.row.isDryRun {
                _ = try session.keep(
                    fresh, in: table, of: account, source: "reconcile", observedAt: sentAt, at: now)
                _ = try session.markDeleted(missing, unobservedSince: sentAt, in: table, of: account, at: now)
            }
            try session.advance(
                comparing.row.id, found, seen: fresh.map(\.key), to: next?.text, at: now)
            guard let row = try session.reconciliation(comparing.row.id) else { throw StoreError.conflict }
            if next == nil {
                try session.forgetCursors(of: ID(stored: row.id.text))
                try session.append([comparing.done(row, change, at: now)])
                try session.succeed(comparing.job, at: now)
            }
            return row
        }
        if next == nil { bells.written.ring() }
        return row
    }

    // MARK: What goes wrong

    private func met(_ problem: CallProblem, _ comparing: Comparing) async throws -> JobResult {
        let now = time.now()
        switch problem {
        case .held(let hold):
            try await note(hold.reason, comparing.row)
            throw problem.interruption ?? JobInterruption.released
        case .failed(let failure):
            let failing = now - (comparing.job.firstFailedAt ?? now)
            guard failure.passes, comparing.job.attempt < retries.attemptsMax, failing < retries.givesUpAfter else {
                return try await fail(failure.message, comparing.row, comparing.job)
            }
            try await note(failure.message, comparing.row)
            if let wait = failure.retryAfter { throw JobInterruption.later(at: now + wait, reason: failure.message) }
            throw failure
        }
    }

    private func note(_ problem: String, _ row: ReconciliationRow) async throws {
        try await database.write("reconcile_note", in: .work) { try $0.note(problem, of: row.id, endedAt: nil) }
    }

    private func fail(_ problem: String, _ row: ReconciliationRow, _ job: ClaimedJob) async throws -> JobResult {
        let now = time.now()
        try await database.write("reconcile_fail", in: .work) { session in
            try session.hold(job)
            try session.note(problem, of: row.id, endedAt: now)
            try session.forgetCursors(of: ID(stored: row.id.text))
            try session.succeed(job, at: now)
        }
        return .committed
    }
}

/// A comparison as it stands between two steps.
private struct Comparing: Sendable {
    /// Where it goes on.
    enum Place: Sendable, Equatable {
        case list(String?)
        case check(after: String)

        var text: String {
            switch self {
            case .list(let cursor): "list:" + (cursor ?? "")
            case .check(let key): "check:" + key
            }
        }
        init(_ text: String?) {
            guard let text, let colon = text.firstIndex(of: ":") else {
                self = .list(nil)
                return
            }
            let rest = String(text[text.index(after: colon)...])
            self = text.hasPrefix("check:") ? .check(after: rest) : .list(rest)
        }
    }

    private static let rowsAtOnce = 200

    var row: ReconciliationRow
    let stream: SyncStream
    let connection: ConnectionRow
    let job: ClaimedJob

    var place: Place { Place(row.position) }

    func question(_ cursor: String?) -> StreamQuestion {
        StreamQuestion(account: connection.openID, scopes: connection.scopes, cursor: cursor)
    }

    var errand: ConnectionCaller.Errand {
        var errand = ConnectionCaller.Errand(
            connection: connection.id.text, account: connection.openID, userID: connection.userID,
            app: connection.app.text, provider: row.provider, purpose: "reconcile",
            claimant: Claimant(job.lane, job.priority))
        errand.subject = row.id.text
        return errand
    }

    func unseen(after key: String, in session: Session) throws -> [String] {
        try session.unseen(
            by: row, in: stream.table, of: connection.openID, after: key,
            limit: stream.lookup?.idsMax ?? Self.rowsAtOnce)
    }

    func compare(_ rows: [StreamRow], sentAt: Timestamp, in session: Session) throws -> ComparedRecords {
        let known = try session.records(rows.map(\.key), in: stream.table, of: connection.openID)
        var found = ComparedRecords()
        for row in rows {
            guard let old = known[row.key], old.deletedAt == nil else {
                found.differences.append(RecordDifference(key: row.key, kind: .missingHere, fields: []))
                continue
            }
            // What was observed after the question left is newer than its answer.
            let columns = old.observedAt > sentAt ? [] : stream.table.differences(row, from: old)
            guard !columns.isEmpty else {
                found.matched += 1
                continue
            }
            let kind: RecordDifference.Kind = columns.allSatisfy(\.isMetric) ? .moved : .differing
            found.differences.append(RecordDifference(key: row.key, kind: kind, fields: columns.map(\.name)))
        }
        return found
    }

    func done(_ row: ReconciliationRow, _ id: ID<ChangeKind>, at now: Timestamp) -> NewChange {
        let data: JSON = [
            "reconciliation_id": JSON(row.id), "provider": .string(row.provider), "stream": .string(row.stream),
            "connection_id": JSON(connection.id), "since": JSON(row.since), "until": JSON(row.until),
            "matched": JSON(row.matched), "missing_here": JSON(row.missingHere),
            "missing_there": JSON(row.missingThere), "differing": JSON(row.differing), "moved": JSON(row.moved),
            "dry_run": .bool(row.isDryRun),
        ]
        return NewChange(
            id: id, type: "reconciliation.done", subject: connection.id.text, userID: connection.userID,
            connectionID: connection.id.text, occurredAt: now, data: data.bytes)
    }
}
