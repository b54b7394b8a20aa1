import Kit
import Store

/// One connection: how long it lasts, whose it is, what it may do, what happened to it.
enum ConnectionPage {
    struct Model: Sendable {
        struct Permission: Sendable {
            let lamp: Lamp
            let name: String
            let what: String
        }
        let lamp: Lamp
        let big: String
        let sentence: String
        let then: String?
        let permissions: [Permission]
        let missing: String?
        let steps: [Step]
        let hasSteps: Bool
        let facts: [Fact]
        let streams: [StreamStanding]
        let hasStreams: Bool
        /// While something is read.
        let goesOn: String?
        let calls: ConnectionCalls
    }

    private static let changesShown = 20

    static let page = Page(
        path: "/connections/{id}", entry: .connections, template: "connection",
        fragments: ["connection-health", "connection-streams", "connection-calls"],
        follows: ["connection.*", "sync.*"], every: .seconds(5)
    ) { request in
        let (id, now) = (try request.id(ConnectionKind.self), request.now)
        let found = try await request.app.database.read("connection_page") { session in
            try session.connection(id).map { row in
                (
                    row, try session.app(row.app),
                    try session.changes(about: id.text, of: "connection", limit: changesShown),
                    row.deletedAt == nil ? try StreamStanding.find(row, counts: true, in: session) : [],
                    try ConnectionCalls.find(row, in: session, at: now)
                )
            }
        }
        guard let (row, app, changes, streams, calls) = found else { throw PageProblem.notFound }
        return PageContent(
            head(row, isCaptured: !calls.captures.isEmpty, request),
            model(row, app, changes, streams, ConnectionCalls(calls, row, request), request),
            commands: [
                request.curl("/v1/connections/\(id)"), Command("CLI", "patchbay connections show \(id)"),
                Command("CLI", "patchbay trace \(id)"),
            ])
    }

    static func crumbs(_ words: Words) -> [Link] { [Link(words("nav.connections"), "/connections")] }

    private static func head(_ row: ConnectionRow, isCaptured: Bool, _ request: PageRequest) -> Head {
        let words = request.words
        var head = Head(ConnectionWords.name(row, words))
        head.crumbs = crumbs(words)
        head.id = ShortID(row.id.text)
        head.jack = Jack(ConnectionWords.platform(row, request), size: "l", state: ConnectionWords.lamp(row))
        head.pill = ConnectionWords.pill(row, request)
        head.lede = "\(ConnectionWords.platform(row, request)) · \(row.userID)"
        guard request.mayAct, row.deletedAt == nil else { return head }
        let base = "/connections/\(row.id)"
        func form(_ label: String, _ path: String, isFirst: Bool = false) -> HeadAction {
            var action = HeadAction(words(label), base + path, isFirst: isFirst)
            action.isForm = true
            return action
        }
        if SyncForms.canAsk(row) {
            var now = form("sync.now", "/sync", isFirst: true)
            now.key = "s"
            head.actions.append(now)
        }
        if row.health.isAlive {
            head.actions.append(form("connection.refresh", "/refresh"))
            head.actions.append(
                row.pausedAt == nil ? form("connection.pause", "/pause") : form("connection.resume", "/resume"))
        }
        if !isCaptured, request.app.hooks.captures != nil {
            head.actions.append(HeadAction(words("connection.capture"), base + "/capture"))
        }
        head.actions.append(form("connection.reconnect", "/reconnect", isFirst: !row.health.isAlive))
        var disconnect = HeadAction(words("connection.disconnect"), base + "/disconnect")
        disconnect.isDanger = true
        head.actions.append(disconnect)
        return head
    }

    private static func model(
        _ row: ConnectionRow, _ app: AppRow?, _ changes: [Change], _ streams: [StreamStanding.Found],
        _ calls: ConnectionCalls, _ request: PageRequest
    ) -> Model {
        let words = request.words
        let permissions = (row.scopes + row.missing).map { permission($0, row, request) }
        return Model(
            lamp: Lamp(ConnectionWords.lamp(row)), big: big(row, request), sentence: sentence(row, request),
            then: row.refreshAt.map { words("connection.then", ["time": request.times.moment($0).text]) },
            permissions: permissions,
            missing: row.missing.isEmpty ? nil : words.count("connection.missing", row.missing.count),
            steps: changes.map { step($0, request) }, hasSteps: !changes.isEmpty, facts: facts(row, app, request),
            streams: streams.map { StreamStanding($0, row, request) }, hasStreams: !streams.isEmpty,
            goesOn: streams.contains { $0.run != nil } ? words("sync.goes_on") : nil, calls: calls)
    }

    /// The one thing to be read from afar.
    private static func big(_ row: ConnectionRow, _ request: PageRequest) -> String {
        guard row.health.isAlive, let end = row.endsAt, let days = ConnectionWords.days(until: end, request) else {
            return request.words("connections.state.\(row.state.rawValue)")
        }
        return request.words.count("connections.days_left", days)
    }

    private static func sentence(_ row: ConnectionRow, _ request: PageRequest) -> String {
        let words = request.words
        let reason = ConnectionWords.reason(row, request)
        if row.attention != nil || !row.health.isAlive { return reason }
        guard let end = row.endsAt else { return words("connection.no_end") }
        return words("connection.ends", ["time": request.times.moment(end).text])
    }

    private static func permission(
        _ scope: String, _ row: ConnectionRow, _ request: PageRequest
    ) -> Model.Permission {
        let known = request.app.hooks.connecting?.platform(row.provider)?.oauth.permissions
        let isGranted = row.scopes.contains(scope)
        return Model.Permission(
            lamp: Lamp(isGranted ? .ok : .needs), name: scope,
            what: known?.first { $0.name == scope }?.what ?? "")
    }

    private static func step(_ change: Change, _ request: PageRequest) -> Step {
        let data = try? JSON.parse(change.data)  // Our own; what cannot be read says no more than its type.
        let state: LampState =
            switch change.type {
            case "connection.connected": .ok
            case "connection.revoked": .failed
            default: .needs
            }
        var step = Step(
            state, request.words.text("connection.\(change.type.split(separator: ".").last ?? "")") ?? change.type)
        step.why = data?["reason"]?.text.flatMap { request.words.text("connections.reason.\($0)") }?
            .replacing("{time}", with: data?["ends_at"]?.text ?? "")
        step.time = request.times.moment(change.occurredAt)
        return step
    }

    private static func facts(_ row: ConnectionRow, _ app: AppRow?, _ request: PageRequest) -> [Fact] {
        let (words, times) = (request.words, request.times)
        var facts = [
            Fact(words("connection.fact.user"), row.userID, href: Places.user(row.userID), isCode: true),
            Fact(words("connection.fact.platform"), ConnectionWords.platform(row, request)),
        ]
        if !row.openID.isEmpty {
            facts.append(Fact(words("connection.fact.account"), row.openID, isCode: true, copied: row.openID))
        }
        if let app {
            let settings = app.source == "settings" ? request.app.settings.clients[row.provider]?.id : nil
            facts.append(
                Fact(
                    words("connection.fact.app"), app.clientID ?? settings ?? app.name,
                    href: "/system/apps#\(app.id)"))
        }
        if let end = row.expiresAt { facts.append(Fact(words("connection.fact.access"), times.moment(end))) }
        if let end = row.endsAt { facts.append(Fact(words("connection.fact.ends"), times.moment(end))) }
        if let version = row.tokenVersion {
            facts.append(Fact(words("connection.fact.version"), words.number(version)))
        }
        facts.append(Fact(words("connection.fact.made"), times.moment(row.firstSeenAt)))
        return facts
    }
}
