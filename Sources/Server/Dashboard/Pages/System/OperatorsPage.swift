import Kit
import Store

/// Who may sign in, and where they are signed in.
enum OperatorsPage {
    struct Model: Sendable {
        struct Row: Sendable {
            let id: String
            let name: String
            let role: String
            let last: TimeModel?
            let hasPassword: Bool
            /// Where from is for admins, and for everybody of themselves.
            let sessions: [SessionRow]
            let endAll: String?
        }
        struct SessionRow: Sendable {
            let browser: String
            let address: String
            let used: TimeModel
            let end: String?
            let isThis: Bool
        }
        let tabs: [Tab]
        let rows: [Row]
        let how: Command
    }

    private static let operatorsMax = 100
    private static let sessionsMax = 20

    static let page = Page(path: "/system/operators", entry: .system, template: "operators") { request in
        let (words, now) = (request.words, request.now)
        let found = try await request.app.database.read("operators_page") { session in
            try session.operators(limit: operatorsMax).map { row in
                (row, try session.operatorSessions(of: row.id, at: now, limit: sessionsMax))
            }
        }
        let rows = found.map { row, sessions in
            let areShown = request.mayAct || row.id == request.visitor?.operator.id
            return Model.Row(
                id: row.id.text, name: row.name, role: words("role.\(row.role.rawValue)"),
                last: row.signedInAt.map(request.times.moment), hasPassword: row.password != nil,
                sessions: (areShown ? sessions : []).map { session in
                    Model.SessionRow(
                        browser: session.browser, address: session.address,
                        used: request.times.moment(session.lastUsedAt),
                        end: request.mayAct ? "/system/operators/\(row.id)/sessions/\(session.id)/end" : nil,
                        isThis: session.id == request.visitor?.session.id)
                }, endAll: sessions.isEmpty || !request.mayAct ? nil : "/system/operators/\(row.id)/end")
        }
        return PageContent(
            SystemTab.head(.operators, words, lede: words("operators.lede")),
            Model(
                tabs: SystemTab.tabs(.operators, words), rows: rows,
                how: Command(nil, "patchbay operators add mina@example.com --role viewer")),
            commands: [Command("CLI", "patchbay operators list")])
    }

    static let forms = [
        PageForm(path: "/system/operators/{id}/end") { request in
            let id = try request.id(OperatorKind.self)
            let audit = NewAudit(
                id: request.app.ids.make(), at: request.now, actor: request.operatorID,
                action: "operator.sessions_ended", subject: id.text)
            try await request.app.database.write("end_operator_sessions") { store in
                guard try store.operatorRow(id) != nil else { throw PageProblem.notFound }
                try store.endSessions(of: id)
                try store.audit(audit)
            }
            return .seeOther("/system/operators", note: "ended_others")
        },
        PageForm(path: "/system/operators/{id}/sessions/{session}/end") { request in
            let (id, session) = (try request.id(OperatorKind.self), try request.id(OperatorSessionKind.self, "session"))
            let audit = NewAudit(
                id: request.app.ids.make(), at: request.now, actor: request.operatorID,
                action: "operator.session_ended", subject: session.text)
            try await request.app.database.write("end_operator_session") { store in
                guard try store.end(session, of: id) else { throw PageProblem.notFound }
                try store.audit(audit)
            }
            return .seeOther("/system/operators", note: "ended")
        },
    ]
}
