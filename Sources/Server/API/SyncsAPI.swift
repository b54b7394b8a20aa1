import Engine
import Kit
import Store

/// Syncs: runs that read accounts' data.
enum SyncsAPI {
    static let list = Action(
        "listSyncs", "List syncs", .needs(.read, "syncs"),
        query: Paging.parameters + Paging.times + [
            Parameter("connection_id", .id(ConnectionKind.self), "Of one connection."),
            Parameter("user_id", .line(1...256), "Of one user's connections."),
            Parameter("provider", .slug(), "At one platform."),
            Parameter("stream", .slug(), "Of one stream: `videos`."),
            Parameter("state", .words(SyncView.states), "In one state."),
        ],
        answers: [.list(of: SyncView.schema)], problems: [.invalidCursor]
    ) { request in
        var filter = SyncFilter()
        filter.connection = request.queryText("connection_id")
        filter.userID = request.queryText("user_id")
        filter.provider = request.queryText("provider")
        filter.stream = request.queryText("stream")
        filter.state = request.queryText("state")
        let page = try request.page()
        let rows = try await request.app.database.read("syncs") { [filter] session in
            try session.syncs(filter, page).map { try SyncView($0, in: session) }
        }
        return request.list(rows, page, id: \.row.id.text) { $0 }
    }

    static let get = Action(
        "getSync", "Get a sync", .needs(.read, "syncs"), path: [.id(SyncKind.self)],
        answers: [.ok("The sync.", SyncView.schema)], problems: [.notFound]
    ) { request in
        let id = request.pathID(SyncKind.self)
        let view = try await request.app.database.read("sync") { session in
            try session.sync(id).map { try SyncView($0, in: session) }
        }
        guard let view else { throw Problem(.notFound, "There is no sync \(id).") }
        return .json(200, view)
    }

    private static let body = Schema.named(
        "SyncRequest",
        .object([
            .optional("stream", .slug(), "What is read: `videos`; all streams of the platform unless said."),
            .optional(
                "full", .boolean, "Reads everything, which is how deletions are found; happens once a day by itself."),
        ])
    ).example(["stream": "videos"])

    static let ofConnection = Action(
        "syncConnection", "Sync a connection now",
        notes: "Each stream by a run of its own; one that is under way is answered instead of a second. What the "
            + "account's owner has not allowed is left out unless it is named.",
        .needs(.write, "syncs"), path: ConnectionsAPI.path, body: body, isIdempotent: true, mayWait: true,
        answers: [.accepted("They are queued.", Begun.schema), .ok("They have ended.", Begun.schema)],
        problems: [.notFound, .wrongState, .needsReconnect, .notSetUp]
    ) { request in
        let (id, wanted) = (request.pathID(ConnectionKind.self), request.body["stream"]?.text)
        let found = try await request.app.database.read("connection") { try $0.connection(id) }
        guard let row = found, row.deletedAt == nil else {
            throw Problem(.notFound, "There is no connection \(id).")
        }
        let streams = try request.syncs.book.streams(of: row.provider).filter { wanted == nil || $0.name == wanted }
        guard !streams.isEmpty else {
            throw Problem(.notFound, "Nothing of \(row.provider) is synced\(wanted.map { " as \($0)" } ?? "").")
        }
        return try await request.begin(
            streams.map { (row.id, $0) }, isStrict: wanted != nil || streams.count == 1,
            location: "/v1/syncs?connection_id=\(id)")
    }

    static let ofUser = Action(
        "syncUser", "Sync all connections of a user now",
        notes: "Side by side: one that fails stops no other. Those of which nothing can be asked stand in `refused`.",
        .needs(.write, "syncs"), path: UsersAPI.path, body: body, isIdempotent: true, mayWait: true,
        answers: [.accepted("They are queued.", Begun.schema), .ok("They have ended.", Begun.schema)],
        problems: [.notFound, .notSetUp]
    ) { request in
        let (user, wanted) = (request.pathText(), request.body["stream"]?.text)
        var filter = ConnectionFilter()
        filter.userID = user
        let rows = try await request.app.database.read("connections") { [filter] session in
            try session.user(user) == nil ? nil : try session.connections(filter, ListPage(limit: 100))
        }
        guard let rows else { throw Problem(.notFound, "There is no such user.") }
        let book = try request.syncs.book
        let wishes = rows.flatMap { row in
            book.streams(of: row.provider).filter { wanted == nil || $0.name == wanted }.map { (row.id, $0) }
        }
        return try await request.begin(
            wishes, isStrict: false, location: "/v1/syncs?user_id=\(PercentEncoding.encode(user))")
    }
}

/// What came of a wish for runs.
private struct Begun: View, Sendable {
    struct Refused: Sendable {
        let connection: ID<ConnectionKind>
        let stream: String
        let problem: Problem
    }
    var runs: [SyncView] = []
    var refused: [Refused] = []

    static let schema = Schema.named(
        "SyncsBegun",
        .object([
            .required("data", .array(of: SyncView.schema), "A run for each stream."),
            .required(
                "refused",
                .array(
                    of: .object([
                        .required("connection_id", .id(ConnectionKind.self), "Whose."),
                        .required("stream", .text(), "What was not begun."),
                        .required("code", .text(), "Why, in a word."), .required("detail", .text(), "Why."),
                    ])), "Of which nothing can be asked now."),
        ]))

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("data")
            writer.array { writer in for run in runs { run.write(to: &writer) } }
            writer.key("refused")
            writer.array { writer in
                for refused in refused {
                    writer.value([
                        "connection_id": JSON(refused.connection), "stream": .string(refused.stream),
                        "code": .string(refused.problem.type.code), "detail": .string(refused.problem.detail),
                    ])
                }
            }
        }
    }
}

extension APIRequest {
    var syncs: Syncs {
        get throws(Problem) {
            guard let syncs = app.hooks.syncs else {
                throw Problem(.notSetUp, "Nothing is synced here: see patchbay doctor.")
            }
            return syncs
        }
    }

    /// - Parameter isStrict: what cannot be begun is the answer.
    fileprivate func begin(
        _ wishes: [(ID<ConnectionKind>, SyncStream)], isStrict: Bool, location: String
    ) async throws -> Answer {
        let (syncs, now, by, isFull) = (try syncs, now, caller.id, body["full"]?.boolean ?? false)
        let (ids, auditID) = (app.ids, app.ids.make(AuditKind.self))
        let ready = wishes.map { _ in Syncs.Ready(ids) }
        let answer = try await once("sync_now") { session in
            var begun = Begun()
            for ((id, stream), ready) in zip(wishes, ready) {
                guard let row = try session.connection(id) else { continue }
                do throws(Syncs.Refusal) { try syncs.check(stream, row) } catch {
                    let problem = error.problem(syncs.book.platform(row.provider))
                    if isStrict { throw problem }
                    begun.refused.append(.init(connection: id, stream: stream.name, problem: problem))
                    continue
                }
                let run = try syncs.begin(
                    stream, of: row, isFull ? .full : .manual, askedBy: by, ready, in: session, at: now)
                begun.runs.append(try SyncView(run, in: session))
            }
            try session.audit(
                NewAudit(auditID, "sync.begun", location, by: self, detail: ["runs": JSON(begun.runs.count)]))
            let single = begun.runs.count == 1 ? begun.runs.first.map { "/v1/syncs/\($0.row.id)" } : nil
            return Answer.json(202, begun).with("Location", single ?? location)
        }
        return try await awaitingSyncs(answer)
    }

    /// With `Prefer: wait=n`: waits up to that many seconds, 30 at most, until all have ended.
    private func awaitingSyncs(_ answer: Answer) async throws -> Answer {
        guard let seconds = preferredWait, seconds > 0, answer.status == 202,
            let json = try? JSON.parse(answer.body)  // Our own.
        else { return answer }
        let ids = (json["data"]?.elements ?? []).compactMap { $0["id"]?.text.flatMap { ID<SyncKind>($0) } }
        let deadline = app.now() + .seconds(min(seconds, 30))
        var pause = Duration.milliseconds(20)
        while app.now() < deadline {
            try await app.sleep(pause)
            pause = min(pause * 2, .milliseconds(250))
            let runs = try await app.database.read("syncs") { session in
                try ids.compactMap { id in try session.sync(id).map { try SyncView($0, in: session) } }
            }
            guard runs.allSatisfy({ !$0.row.state.isLive }) else { continue }
            var writer = JSONWriter(capacity: answer.body.count)
            writer.object { writer in
                writer.key("data")
                writer.array { writer in for run in runs { run.write(to: &writer) } }
                writer.member("refused", json["refused"] ?? .array([]))
            }
            var done = Answer(status: 200, contentType: "application/json", body: writer.bytes)
            done.headers = answer.headers + [Field("Preference-Applied", "wait=\(seconds)")]
            return done
        }
        return answer
    }
}

extension Syncs.Refusal {
    /// As the API says it.
    func problem(_ platform: String) -> Problem {
        switch self {
        case .noSuchStream, .gone: Problem(.notFound, "The connection is gone.")
        case .paused: Problem(.wrongState, "The connection is paused. Resume it first.")
        case .notConnected:
            Problem(.needsReconnect, "\(platform) no longer accepts this connection. Connect the account again.")
        case .missing(let scopes):
            Problem(
                .needsReconnect,
                "The account's owner has not allowed \(scopes.joined(separator: ", ")). Connect again and allow it.")
        }
    }
}

/// A run as the API shows it.
struct SyncView: View {
    static let states = SyncRow.State.allCases.map(\.rawValue)

    let row: SyncRow
    /// How many rows there are to be, where the platform says so; of runs that read everything.
    let expected: Int64?

    init(_ row: SyncRow, in session: Session) throws {
        self.row = row
        let book = Providers.syncBook
        guard row.listsAll, row.state.isLive, let stream = book.stream(row.stream, of: row.provider),
            let total = book.total(of: stream, at: row.provider)
        else {
            expected = nil
            return
        }
        expected = try session.recordNumber(total.column, in: total.table, of: row.account)
    }

    static let schema = Schema.named(
        "Sync",
        .object([
            .required("id", .id(SyncKind.self), "Its id."),
            .required("connection_id", .id(ConnectionKind.self), "Whose account it reads."),
            .required("provider", .text(), "The platform."),
            .required("stream", .text(), "What it reads."),
            .required("reason", .words(SyncRow.Reason.allCases.map(\.rawValue)), "Why it runs."),
            .required("state", .words(states), "How it stands; `waiting`: nothing is asked yet."),
            .required("lists_all", .boolean, "Whether it reads everything, which is how deletions are found."),
            .required("pages", .integer(0...Int64.max), "Pages of the platform's list so far."),
            .required("rows", .integer(0...Int64.max), "Rows that it gave so far."),
            .required("new", .integer(0...Int64.max), "Of those, rows that were not here."),
            .required("changed", .integer(0...Int64.max), "Rows that were otherwise."),
            .required("deleted", .integer(0...Int64.max), "Rows that are gone there."),
            .required(
                "expected", Schema.integer().orNull,
                "How many rows there will be, as far as the platform says; null where it does not, or it has ended."),
            .required("code", Schema.text().orNull, "Why it does not go on, for now or at all, in a word."),
            .required("problem", Schema.text().orNull, "The same in a sentence."),
            .required("who", Schema.text().orNull, "Who must act: provider, operator, your_user or you."),
            .required("retry_at", Schema.time.orNull, "When it goes on."),
            .required("job_id", .id(JobKind.self), "The job that does it."),
            .required("asked_by", Schema.text().orNull, "Whose key asked for it."),
            .required("created_at", .time, "When it was asked for."),
            .required("started_at", Schema.time.orNull, "When its first question left."),
            .required("ended_at", Schema.time.orNull, "When it ended."),
        ]))

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", JSON(row.id))
            writer.member("connection_id", JSON(row.connection))
            writer.member("provider", .string(row.provider))
            writer.member("stream", .string(row.stream))
            writer.member("reason", .string(row.reason.rawValue))
            writer.member("state", .string(row.state.rawValue))
            writer.member("lists_all", .bool(row.listsAll))
            writer.member("pages", JSON(row.pages))
            writer.member("rows", JSON(row.rowsRead))
            writer.member("new", JSON(row.rowsNew))
            writer.member("changed", JSON(row.rowsChanged))
            writer.member("deleted", JSON(row.rowsDeleted))
            writer.member("expected", JSON(expected))
            writer.member("code", JSON(row.code))
            writer.member("problem", JSON(row.problem))
            writer.member("who", JSON(row.who))
            writer.member("retry_at", JSON(row.retryAt))
            writer.member("job_id", JSON(row.job))
            writer.member("asked_by", JSON(row.askedBy))
            writer.member("created_at", JSON(row.createdAt))
            writer.member("started_at", JSON(row.startedAt))
            writer.member("ended_at", JSON(row.endedAt))
        }
    }
}
