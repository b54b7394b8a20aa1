import Engine
import Kit
import Store

/// Records: the rows of streams, as they are kept.
enum RecordsAPI {
    private static let path = [
        Parameter("stream", .words(Providers.syncBook.names), "Platform and stream: `tiktok.videos`.")
    ]
    private static let connection = Parameter(
        "connection_id", .id(ConnectionKind.self), "Whose account.", isRequired: true)

    static let list = Action(
        "listRecords", "List records",
        notes: "Rows of a stream of one account, by the platform's own ids, and how old they are. Not to be followed: "
            + "use /v1/changes with `record.changed`.",
        .needs(.read, "records"), path: path,
        query: Paging.parameters + Paging.times + [
            connection,
            Parameter("deleted", .boolean, "Those, too, that are gone at the platform: `deleted_at` says since when."),
        ],
        answers: [.ok("A page of the rows.", schema)], problems: [.notFound, .invalidCursor]
    ) { request in
        let (entry, row, page) = (try request.recordEntry(), try await request.recordConnection(), try request.page())
        let (table, deleted) = (entry.stream.table, request.query["deleted"]?.boolean ?? false)
        let (rows, state) = try await request.app.database.read("records") { session in
            (
                try session.records(in: table, of: row.openID, deletedToo: deleted, page),
                try session.streamState(of: entry.stream.name, account: row.openID, at: row.provider)
            )
        }
        let fresh = Freshness(of: entry.stream, state, row, platform: entry.provider.name, at: request.now)
        let shown = rows.prefix(page.limit)
        let last = rows.count > page.limit ? shown.last?.key : nil
        return .json { writer in
            writer.object { writer in
                writer.key("data")
                writer.array { writer in
                    for record in shown {
                        RecordView(table: table, account: row.openID, row: record).write(to: &writer)
                    }
                }
                writer.member("next_cursor", JSON(last.map { request.nextCursor(after: $0, page) }))
                writer.member("as_of", JSON(fresh.asOf))
                writer.member("stale", .bool(fresh.isStale))
                writer.member("stale_code", JSON(fresh.reason?.rawValue))
                writer.member("stale_reason", JSON(fresh.sentence))
            }
        }
    }

    private static let schema = Schema.named(
        "Records",
        .object([
            .required("data", .array(of: RecordView.schema), "The rows."),
            .required("next_cursor", Schema.text().orNull, "For the next page; null at the end."),
            .required("as_of", Schema.time.orNull, "What the platform had by then is here; null before the first run."),
            .required("stale", .boolean, "Whether that is too old, or something keeps it from being read again."),
            .required(
                "stale_code", Schema.words(Freshness.Reason.allCases.map(\.rawValue)).orNull, "Why, in a word."),
            .required("stale_reason", Schema.text().orNull, "Why, for a person."),
        ]))

    static let history = Action(
        "listRecordHistory", "List the steps of a record's counts",
        notes: "Newest first: what the counts were whenever they were seen to have moved.", .needs(.read, "records"),
        path: path + [Parameter("key", .line(1...256), "The platform's own id of the row.")],
        query: [
            Parameter("limit", .integer(1...100), "Steps a page, 20 unless said."),
            Parameter("cursor", .line(1...1024), "From `next_cursor` of the page before."), connection,
        ],
        answers: [.list(of: StepView.schema)], problems: [.notFound, .invalidCursor]
    ) { request in
        let (entry, row, page) = (try request.recordEntry(), try await request.recordConnection(), try request.page())
        let (table, key) = (entry.stream.table, request.pathText("key"))
        let before = page.after.flatMap { Int64($0) }.map(Timestamp.init(microseconds:))
        let steps = try await request.app.database.read("history") {
            try $0.history(of: key, in: table, of: row.openID, before: before, limit: page.limit + 1)
        }
        return request.list(steps, page, id: { String($0.at.microseconds) }) { step in
            StepView(metrics: table.metrics, at: step.at, cells: step.metrics)
        }
    }
}

extension APIRequest {
    fileprivate func recordEntry() throws(Problem) -> SyncBook.Entry {
        guard let entry = Providers.syncBook.entry(pathText("stream")) else {
            throw Problem(.notFound, "There is no such stream.")
        }
        return entry
    }

    fileprivate func recordConnection() async throws -> ConnectionRow {
        let id = ID<ConnectionKind>(stored: queryText("connection_id") ?? "")
        let row = try await app.database.read("connection") { try $0.connection(id) }
        guard let row, row.deletedAt == nil else { throw Problem(.notFound, "There is no connection \(id).") }
        let entry = try recordEntry()
        guard row.provider == entry.provider.id else {
            throw Problem(
                .invalidQuery,
                [FieldProblem("connection_id", "is at \(row.provider), and the stream is of \(entry.provider.id).")])
        }
        return row
    }
}

/// A row of a stream as the API shows it: the columns of its table.
struct RecordView: View {
    let table: RecordTable
    let account: String
    let row: RecordRow

    static let schema = Schema.named("Record", .map(of: .anything, most: 300))
        .example([
            "video_id": "7400000000000000001", "account_id": "afd97af1-demo", "title": "Rye is back",
            "view_count": 6021, "observed_at": "2026-11-28T10:15:00.000000Z",
        ])

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            for member in members { writer.member(member.name, member.value) }
        }
    }

    var members: [JSONMember] {
        var members = [JSONMember(table.key.name, .string(row.key)), JSONMember("account_id", .string(account))]
        members += RecordJSON.members(table.columns, row.cells)
        return members + [
            JSONMember("source", .string(row.source)), JSONMember("observed_at", JSON(row.observedAt)),
            JSONMember("first_seen_at", JSON(row.firstSeenAt)), JSONMember("updated_at", JSON(row.updatedAt)),
            JSONMember("deleted_at", JSON(row.deletedAt)),
        ]
    }
}

private struct StepView: View {
    let metrics: [RecordColumn]
    let at: Timestamp
    let cells: [Cell]

    static let schema = Schema.named("RecordStep", .map(of: .anything, most: 100))
        .example(["observed_at": "2026-11-28T10:15:00.000000Z", "view_count": 6021, "like_count": 188])

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("observed_at", JSON(at))
            for member in RecordJSON.members(metrics, cells) { writer.member(member.name, member.value) }
        }
    }
}

/// Cells as JSON, by what their columns hold.
enum RecordJSON {
    static func members(_ columns: [RecordColumn], _ cells: [Cell]) -> [JSONMember] {
        var rest = cells[...]
        return columns.map { column in
            let own = rest.prefix(column.storedNames.count)
            rest = rest.dropFirst(own.count)
            return JSONMember(column.name, value(column.kind, own))
        }
    }

    private static func value(_ kind: RecordColumn.Kind, _ cells: ArraySlice<Cell>) -> JSON {
        switch (kind, cells.first ?? .null) {
        case (.boolean, .integer(let value)): return .bool(value != 0)
        case (.time, .integer(let value)): return JSON(Timestamp(microseconds: value))
        case (.money, .integer(let minor)):
            guard case .text(let currency)? = cells.last else { return .null }
            return ["amount": JSON(minor), "currency": .string(currency)]
        case (.json, .text(let text)): return (try? JSON.parse(text)) ?? .null  // Cut texts are none.
        case (_, .integer(let value)): return JSON(value)
        case (_, .real(let value)): return .number("\(value)")
        case (_, .text(let text)): return .string(text)
        case (_, .null), (_, .blob): return .null
        }
    }
}
