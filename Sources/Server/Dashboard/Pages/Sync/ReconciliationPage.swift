import Engine
import Kit
import Store

/// One comparison with a platform: what agrees, what does not, who is right, and how to put it right.
enum ReconciliationPage {
    struct Tile: Sendable {
        let name: String
        let text: String
    }
    struct Line: Sendable {
        let key: String
        let href: String
        let fields: String?
        let pill: Pill
        let right: String
    }
    struct Model: Sendable {
        let tiles: [Tile]
        let problem: String?
        let lines: [Line]
        let hasLines: Bool
        /// Why there are none.
        let none: String?
        let ends: Ends?
        let facts: [Fact]
    }

    private static let linesShown = 50

    static let page = Page(
        path: "/reconciliations/{id}", entry: .sync, template: "reconciliation", fragments: ["reconciliation-now"],
        every: .seconds(5)
    ) { request in
        let id = try request.id(ReconciliationKind.self)
        let after = request.query["after"].map { OutsideText.bounded($0) }
        let found = try await request.app.database.read("reconciliation_page") { session in
            try session.reconciliation(id).map { row in
                (
                    row, try row.connection.flatMap { try session.connection($0) },
                    try session.differences(of: id, after: after, limit: linesShown + 1)
                )
            }
        }
        guard let (row, connection, differences) = found else { throw PageProblem.notFound }
        let words = request.words
        let shown = differences.prefix(linesShown)
        let next = differences.count > linesShown ? shown.last : nil
        let ends = Ends(
            shown: words.count("list.shown", shown.count), newer: after == nil ? nil : "/reconciliations/\(id)",
            older: next.map { "/reconciliations/\(id)" + BrowserText.query([("after", $0.key)]) })
        return PageContent(
            head(row, connection, request),
            Model(
                tiles: tiles(row, words), problem: row.problem, lines: shown.map { line($0, row, words) },
                hasLines: !shown.isEmpty,
                none: shown.isEmpty ? words(none(row, after)) : nil, ends: shown.isEmpty ? nil : ends,
                facts: facts(row, connection, request)),
            commands: [
                request.curl("/v1/reconciliations/\(id)"),
                Command(
                    "CLI",
                    row.connection.map { "patchbay reconcile \($0) \(row.stream)" }
                        ?? "patchbay reconcile \(row.provider)"),
            ])
    }

    private static func none(_ row: ReconciliationRow, _ after: String?) -> String {
        if row.connection == nil { return "reconciliation.none_listed" }
        return row.state == "running" ? "reconciliation.none_yet" : "reconciliation.none"
    }

    private static func head(
        _ row: ReconciliationRow, _ connection: ConnectionRow?, _ request: PageRequest
    ) -> Head {
        let words = request.words
        let name = connection.map { ConnectionWords.name($0, words) } ?? ProviderNames.of(row.provider)
        var head = Head(words("reconciliation.title", ["stream": row.stream, "name": name]))
        head.crumbs = [Link(words("nav.sync"), "/sync")]
        if let connection {
            head.crumbs.append(Link(row.stream, "/sync/\(connection.id)/\(row.stream)"))
        }
        head.id = ShortID(row.id.text)
        let state: LampState =
            switch row.state {
            case "running": .running
            case "done": differing(row) > 0 ? .needs : .ok
            default: .failed
            }
        head.pill = Pill(state, words("reconciliation.state.\(row.state)"))
        if let share = ReconciliationView(row).accuracy.text {
            head.lede = words("reconciliation.accuracy", ["share": words.percent(share: share)])
        }
        let canRepair = row.connection == nil ? row.isDryRun : connection.map(SyncForms.canAsk) ?? false
        if request.mayAct, row.state != "running", differing(row) > 0, canRepair {
            var action = HeadAction(
                words("reconciliation.repair"), "/reconciliations/\(row.id)/repair", isFirst: true)
            action.isForm = true
            head.actions = [action]
        }
        return head
    }

    private static func differing(_ row: ReconciliationRow) -> Int64 {
        row.missingHere + row.missingThere + row.differing
    }

    private static func tiles(_ row: ReconciliationRow, _ words: Words) -> [Tile] {
        var tiles = [
            Tile(name: words("reconciliation.matched"), text: words.number(row.matched)),
            Tile(name: words("reconciliation.kind.missing_here"), text: words.number(row.missingHere)),
            Tile(name: words("reconciliation.kind.differing"), text: words.number(row.differing)),
        ]
        guard row.connection != nil else { return tiles }
        tiles.insert(
            Tile(name: words("reconciliation.kind.missing_there"), text: words.number(row.missingThere)), at: 2)
        return tiles + [Tile(name: words("reconciliation.kind.moved"), text: words.number(row.moved))]
    }

    private static func line(_ difference: RecordDifference, _ row: ReconciliationRow, _ words: Words) -> Line {
        let kind = difference.kind
        return Line(
            key: difference.key,
            href: "/sync/\(row.connection?.text ?? "")/\(row.stream)/rows/\(PercentEncoding.encode(difference.key))",
            fields: difference.fields.isEmpty ? nil : difference.fields.joined(separator: ", "),
            pill: Pill(
                kind == .moved ? .paused : .needs, words("reconciliation.kind.\(kind.rawValue)"), isBare: true),
            right: words("reconciliation.right.\(kind.rawValue)"))
    }

    private static func facts(
        _ row: ReconciliationRow, _ connection: ConnectionRow?, _ request: PageRequest
    ) -> [Fact] {
        let (words, times) = (request.words, request.times)
        var facts = [Fact(words("connection.fact.platform"), ProviderNames.of(row.provider))]
        if let connection {
            facts.append(
                Fact(
                    words("connection.fact.account"), ConnectionWords.name(connection, words),
                    href: "/connections/\(connection.id)"))
        }
        facts.append(Fact(words("publish.fact.started"), times.moment(row.startedAt)))
        if let end = row.endedAt { facts.append(Fact(words("publish.fact.finished"), times.moment(end))) }
        facts.append(Fact(words("reconciliation.job"), ShortID(row.job.text).short, href: "/jobs/\(row.job)"))
        facts.append(Fact(words("publish.fact.by"), row.askedBy ?? words("reconciliation.by_itself"), isCode: true))
        return facts
    }

    /// What differs is put right by comparing once more, since it may have changed meanwhile.
    static let form = PageForm(path: "/reconciliations/{id}/repair") { request in
        let id = try request.id(ReconciliationKind.self)
        guard let row = try await request.app.database.read("reconciliation", { try $0.reconciliation(id) }) else {
            throw PageProblem.notFound
        }
        if let connection = row.connection {
            return try await StreamForms.compare(connection.text, row.stream, repairs: true, request)
        }
        let body: JSON = [
            "provider": .string(row.provider), "stream": .string(row.stream), "since": JSON(row.since),
        ]
        let answer = try await request.perform(ReconciliationsAPI.create, body: body)
        let made = try JSON.parse(answer.body)["id"]?.text ?? ""
        return .seeOther("/reconciliations/\(made)", note: "repair_begun")
    }
}
