import Engine
import Kit
import Store

/// Every stream of every account: how old it is, what is read now, what was read lately.
enum SyncPage {
    struct Model: Sendable {
        struct Account: Sendable {
            let jack: Jack
            let name: String
            let href: String
            let owner: String
            let streams: [StreamStanding]
            /// The form that reads it now; nil where nothing can be asked, and for those who may not act.
            let now: String?
        }
        let accounts: [Account]
        let runs: [RunRow]
        let hasRuns: Bool
        let more: String?
        let empty: Empty?
    }

    private static let accountsShown = 50
    private static let runsShown = 30

    static let page = Page(
        path: "/sync", entry: .sync, template: "sync", fragments: ["sync-rows"], follows: ["sync.*", "connection.*"],
        every: .seconds(5)
    ) { request in
        let words = request.words
        let providers = Providers.syncBook.providers
        let found = try await request.app.database.read("sync_page") { session in
            let rows = try session.connectionsBySoonest(ConnectionFilter(), limit: accountsShown + 1)
            let shown = rows.filter { providers.contains($0.provider) }
            let runs = try session.syncs(SyncFilter(), ListPage(limit: runsShown))
            return (
                rows: try shown.map { ($0, try StreamStanding.find($0, counts: false, in: session)) },
                runs: try runs.prefix(runsShown).map { ($0, try session.connection($0.connection)) }
            )
        }
        let accounts = found.rows.prefix(accountsShown).map { row, streams in
            Model.Account(
                jack: Jack(ConnectionWords.platform(row, request), size: "m", state: ConnectionWords.lamp(row)),
                name: ConnectionWords.name(row, words), href: "/connections/\(row.id)",
                owner: "\(ConnectionWords.platform(row, request)) · \(row.userID)",
                streams: streams.map { StreamStanding($0, row, request) },
                now: request.mayAct && SyncForms.canAsk(row) ? "/connections/\(row.id)/sync" : nil)
        }
        var head = Head(words("nav.sync"))
        head.lede = words("sync.lede")
        return PageContent(
            head,
            Model(
                accounts: Array(accounts), runs: found.runs.map { RunRow($0.0, $0.1, request) },
                hasRuns: !found.runs.isEmpty,
                more: found.rows.count > accountsShown
                    ? words("connections.more", ["n": words.number(accountsShown)]) : nil,
                empty: accounts.isEmpty
                    ? Empty(
                        words("sync.empty"),
                        link: request.mayAct ? Link(words("connections.new"), "/connections/new") : nil) : nil),
            commands: [request.curl("/v1/syncs"), Command("CLI", "patchbay sync status")])
    }
}

/// What is done from the pages of syncs.
enum SyncForms {
    static let forms: [PageForm] = [
        PageForm(path: "/connections/{id}/sync") { request in
            let id = try request.id(ConnectionKind.self)
            do {
                let answer = try await request.perform(SyncsAPI.ofConnection, path: ["id": id.text], body: [:])
                let runs = (try? JSON.parse(answer.body))?["data"]?.elements ?? []  // Our own.
                return .seeOther("/connections/\(id)", note: runs.isEmpty ? "sync_not_begun" : "sync_begun")
            } catch let problem as Problem where problem.type.status < 500 {
                return .seeOther("/connections/\(id)", note: "sync_not_begun")
            }
        }
    ]

    /// Whether a person may ask for a connection's data now.
    static func canAsk(_ row: ConnectionRow) -> Bool {
        guard row.deletedAt == nil, !Providers.syncBook.streams(of: row.provider).isEmpty else { return false }
        switch row.state {
        case .active, .refreshing, .suspect: return true
        case .pending, .needsReconnect, .paused, .revoked: return false
        }
    }
}
