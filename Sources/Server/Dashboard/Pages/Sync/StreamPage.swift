import Engine
import Kit
import Store

/// One stream of one account: how far it is read, its last runs, its rows.
enum StreamPage {
    struct Line: Sendable {
        let key: String
        let href: String
        /// What it is called, where the platform says.
        let title: String?
        let gone: String?
        let cells: [Named]
    }
    /// A value under its column's name, which a phone shows beside it.
    struct Named: Sendable {
        let name: String
        let text: String
    }
    struct Model: Sendable {
        let standing: StreamStanding
        let bars: [RunBars.Bar]
        let barsSentence: String
        let runs: [RunRow]
        let hasRuns: Bool
        let facts: [Fact]
        let filter: FilterModel
        let columns: [String]
        let lines: [Line]
        let hasLines: Bool
        let ends: Ends
        let empty: Empty?
        let csv: String
        let sql: Command
    }

    private static let (runsShown, countsShown, textShown) = (30, 4, 60)

    static let page = Page(
        path: "/sync/{id}/{stream}", entry: .sync, template: "stream", fragments: ["stream-now"],
        follows: ["sync.*", "connection.*"], every: .seconds(5)
    ) { request in
        let place = try await StreamPlace(request)
        let (row, stream, words) = (place.connection, place.stream, request.words)
        var filter = FilterText(request, names: ["key", "deleted"], bare: "key")
        filter.hold("deleted", to: ["yes"], words)
        let list = ListPlace(request)
        let found = try await request.app.database.read("stream_page") { [filter] session in
            var wanted = SyncFilter()
            (wanted.connection, wanted.stream) = (row.id.text, stream.name)
            let records: [RecordRow] =
                if let key = filter["key"] {
                    try session.records([key], in: stream.table, of: row.openID).map(\.value)
                } else {
                    try session.records(
                        in: stream.table, of: row.openID, deletedToo: filter["deleted"] == "yes", list.page)
                }
            return (
                standing: try StreamStanding.find(row, counts: true, in: session).first {
                    $0.stream.name == stream.name
                },
                runs: Array(try session.syncs(wanted, ListPage(limit: runsShown)).prefix(runsShown)),
                compared: try session.reconciliations(of: row.id, stream: stream.name, limit: 1).first, records: records
            )
        }
        guard let standing = found.standing else { throw PageProblem.notFound }
        let columns = shown(of: stream.table)
        let bars = RunBars(found.runs, words)
        return PageContent(
            head(place, standing, request),
            Model(
                standing: StreamStanding(standing, row, request), bars: bars.bars, barsSentence: bars.sentence,
                runs: found.runs.map { RunRow($0, row, request) }, hasRuns: !found.runs.isEmpty,
                facts: facts(standing, found.compared, place, request), filter: filter.model("key:…", []),
                columns: [stream.table.key.name] + columns.map(\.name),
                lines: list.shown(found.records).map { line($0, columns, place, request) },
                hasLines: !found.records.isEmpty,
                ends: list.ends(found.records, filter: filter.query, request, id: \.key),
                empty: found.records.isEmpty
                    ? Empty(words(filter.isEmpty ? "stream.empty" : "lists.none_match")) : nil,
                csv: place.path + "/rows.csv" + BrowserText.query([("deleted", filter["deleted"])]),
                sql: Command(nil, stream.table.statement(of: row.openID))),
            commands: [
                request.curl("/v1/records/\(row.provider).\(stream.name)?connection_id=\(row.id)"),
                Command("CLI", "patchbay sync status \(row.id)"),
            ])
    }

    /// When it was made and how it counts: the rest stands on the row's page.
    private static func shown(of table: RecordTable) -> [RecordColumn] {
        table.columns.filter { $0.name == table.time } + table.metrics.prefix(countsShown)
    }

    private static func head(_ place: StreamPlace, _ found: StreamStanding.Found, _ request: PageRequest) -> Head {
        let (row, words) = (place.connection, request.words)
        var head = Head(place.stream.name)
        head.isCode = true
        head.crumbs = place.crumbs(words)
        head.jack = Jack(ConnectionWords.platform(row, request), size: "l", state: ConnectionWords.lamp(row))
        head.lede = words.text("sync.stream.\(row.provider).\(place.stream.name)") ?? place.stream.what
        guard request.mayAct, SyncForms.canAsk(row) else { return head }
        func form(_ label: String, _ path: String, key: String? = nil) -> HeadAction {
            var action = HeadAction(words(label), place.path + path, key: key, isFirst: key != nil)
            action.isForm = true
            return action
        }
        head.actions = [form("sync.now", "/run", key: "s")]
        // Of what is small every run reads everything.
        if place.stream.reach != .whole { head.actions.append(form("stream.full", "/full")) }
        head.actions.append(form("stream.compare", "/compare"))
        return head
    }

    private static func facts(
        _ found: StreamStanding.Found, _ compared: ReconciliationRow?, _ place: StreamPlace, _ request: PageRequest
    ) -> [Fact] {
        let (words, times, state) = (request.words, request.times, found.state)
        var facts: [Fact] = []
        if let mark = state?.bookmark { facts.append(Fact(words("stream.fact.cursor"), times.moment(mark))) }
        if let time = state?.syncedAt {
            facts.append(Fact(words("stream.fact.as_of"), times.moment(time)))
            facts.append(Fact(words("stream.fact.lag"), times.age(time)))
        }
        if let time = state?.listedAt { facts.append(Fact(words("stream.fact.listed"), times.moment(time))) }
        if let time = state?.dueAt { facts.append(Fact(words("stream.fact.next"), times.moment(time))) }
        facts.append(Fact(words("stream.fact.every"), words.age(place.stream.every)))
        if let since = state?.failingSince { facts.append(Fact(words("stream.fact.failing"), times.moment(since))) }
        facts.append(Fact(words("stream.fact.table"), place.stream.table.name, isCode: true))
        if let compared {
            let text = ReconciliationView(compared).accuracy.text.map { words.percent(share: $0) }
            facts.append(
                Fact(
                    words("stream.fact.accuracy"), text ?? words("reconciliation.state.\(compared.state)"),
                    href: "/reconciliations/\(compared.id)"))
        }
        return facts
    }

    private static func line(
        _ record: RecordRow, _ columns: [RecordColumn], _ place: StreamPlace, _ request: PageRequest
    ) -> Line {
        let table = place.stream.table
        let members = RecordJSON.members(table.columns, record.cells)
        func text(_ column: RecordColumn) -> String {
            let text = RecordText.of(members.first { $0.name == column.name }?.value ?? .null, column, request)
            return text.count > textShown ? text.prefix(textShown) + "…" : text
        }
        let title = table.columns.first { $0.kind == .text && !$0.isVolatile }.map(text)
        return Line(
            key: record.key, href: place.path(of: record.key), title: title == "" ? nil : title,
            gone: record.deletedAt.map { request.words("stream.gone", ["time": request.times.moment($0).text]) },
            cells: columns.map { Named(name: $0.name, text: text($0)) })
    }
}

/// A stream of a connection, as an address names it.
struct StreamPlace: Sendable {
    let connection: ConnectionRow
    let stream: SyncStream
    var path: String { "/sync/\(connection.id)/\(stream.name)" }

    /// - Throws: `PageProblem.notFound` for what is none.
    init(_ request: PageRequest) async throws {
        let id = try request.id(ConnectionKind.self)
        guard let row = try await request.app.database.read("connection", { try $0.connection(id) }),
            row.deletedAt == nil,
            let stream = Providers.syncBook.stream(request.parameter("stream"), of: row.provider)
        else { throw PageProblem.notFound }
        (connection, self.stream) = (row, stream)
    }

    func path(of key: String) -> String { path + "/rows/" + PercentEncoding.encode(key) }

    func crumbs(_ words: Words) -> [Link] {
        [
            Link(words("nav.sync"), "/sync"),
            Link(ConnectionWords.name(connection, words), "/connections/\(connection.id)"),
        ]
    }
}

/// What is done from the page of a stream: as the API does it.
enum StreamForms {
    static let forms: [PageForm] = [
        PageForm(path: "/sync/{id}/{stream}/run") { try await run($0, isFull: false) },
        PageForm(path: "/sync/{id}/{stream}/full") { try await run($0, isFull: true) },
        PageForm(path: "/sync/{id}/{stream}/compare") { request in
            let place = try await StreamPlace(request)
            return try await compare(place.connection.id.text, place.stream.name, repairs: false, request)
        },
    ]

    private static func run(_ request: PageRequest, isFull: Bool) async throws -> PageAnswer {
        let place = try await StreamPlace(request)
        let body: JSON = ["stream": .string(place.stream.name), "full": .bool(isFull)]
        do {
            _ = try await request.perform(
                SyncsAPI.ofConnection, path: ["id": place.connection.id.text], body: body)
            return .seeOther(place.path, note: "sync_begun")
        } catch let problem as Problem where problem.type.status < 500 {
            return .seeOther(place.path, note: "sync_not_begun")
        }
    }

    static func compare(
        _ connection: String, _ stream: String, repairs: Bool, _ request: PageRequest
    ) async throws -> PageAnswer {
        let body: JSON = [
            "connection_id": .string(connection), "stream": .string(stream), "repair": .bool(repairs),
        ]
        do {
            let answer = try await request.perform(ReconciliationsAPI.create, body: body)
            let id = try JSON.parse(answer.body)["id"]?.text ?? ""
            return .seeOther("/reconciliations/\(id)", note: repairs ? "repair_begun" : "comparison_begun")
        } catch let problem as Problem where problem.type.status < 500 {
            return .seeOther("/sync/\(connection)/\(stream)", note: "sync_not_begun")
        }
    }
}

/// The last runs as bars: how many rows each read, the newest at the right.
struct RunBars: Sendable {
    struct Bar: Sendable {
        let x: Int
        let y: Int
        let height: Int
        /// `a`, or `r` for what failed.
        let kind: String
    }
    let bars: [Bar]
    let sentence: String

    private static let (step, high) = (20, 64)

    init(_ runs: [SyncRow], _ words: Words) {
        let most = max(1, runs.map(\.rowsRead).max() ?? 1)
        bars = runs.reversed().enumerated().map { index, run in
            // A run that read nothing is seen, too.
            let height = max(3, Int(run.rowsRead * Int64(Self.high) / most))
            let kind = run.state == .failed ? "r" : run.state.isLive ? "a" : "a last"
            return Bar(x: index * Self.step + 2, y: 70 - height, height: height, kind: kind)
        }
        sentence = words(
            "stream.bars",
            [
                "n": words.number(runs.count), "failed": words.number(runs.count { $0.state == .failed }),
                "most": words.number(most),
            ])
    }
}

/// A value of a row for people.
enum RecordText {
    static func of(_ value: JSON, _ column: RecordColumn, _ request: PageRequest) -> String {
        if case .time = column.kind, let moment = value.text.flatMap(Timestamp.init(rfc3339:)) {
            return request.times.moment(moment).text
        }
        return plain(value)
    }

    /// As CSV has it.
    static func plain(_ value: JSON) -> String {
        value.isNull ? "" : value.text ?? value.numberText ?? String(decoding: value.bytes, as: UTF8.self)
    }
}

extension Words {
    /// `99.98 %` of `0.999812`.
    func percent(share: String) -> String {
        let millionths = Int(share.filter(\.isNumber)) ?? 0
        let hundredths = millionths / 100
        let rest = hundredths % 100
        let text = rest == 0 ? "\(hundredths / 100)" : "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest)"
        return text + (language == .korean ? "%" : "\u{2009}%")
    }
}
