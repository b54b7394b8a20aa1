import Kit
import Store

/// The operator's own page: sessions, password, looks, keys.
enum AccountPage {
    // MARK: Model

    struct Model: Sendable {
        struct SessionRow: Sendable {
            let id: String
            let browser: String
            let address: String
            let since: TimeModel
            let used: TimeModel
            let isThis: Bool
        }
        struct KeyRow: Sendable {
            let key: String
            let does: String
        }
        let sessions: [SessionRow]
        let hasOthers: Bool
        let keys: [KeyRow]
        /// What the switch would set, and how it is called.
        let keysNext: String
        let keysAct: String
        let problems: [String]
    }

    /// Sessions that are shown, the newest.
    private static let sessionsMax = 50

    static let page = Page(path: "/account", entry: nil, template: "account") { try await content($0) }

    private static func content(_ request: PageRequest, problems: [String] = []) async throws -> PageContent {
        guard let visitor = request.visitor else { throw PageProblem.forbidden }
        let (words, now) = (request.words, request.now)
        let rows = try await request.app.database.read("operator_sessions") {
            try $0.operatorSessions(of: visitor.operator.id, at: now, limit: sessionsMax)
        }
        let hasKeys = request.reader.hasKeys
        var head = Head(words("account.title"))
        head.lede = "\(visitor.operator.name) · \(words("role.\(visitor.operator.role.rawValue)"))"
        var content = PageContent(
            head,
            Model(
                sessions: rows.map { row in
                    Model.SessionRow(
                        id: row.id.text, browser: row.browser, address: row.address,
                        since: request.times.moment(row.createdAt), used: request.times.moment(row.lastUsedAt),
                        isThis: row.id == visitor.session.id)
                }, hasOthers: rows.count > 1, keys: keys(words), keysNext: hasKeys ? "off" : "on",
                keysAct: words(hasKeys ? "account.keys_off" : "account.keys_on"), problems: problems),
            commands: [Command("CLI", "patchbay operators reset \(ShellText.quoted(visitor.operator.name))")])
        if !problems.isEmpty { content.status = 422 }
        return content
    }

    private static func keys(_ words: Words) -> [Model.KeyRow] {
        [
            ("/", "search"), ("?", "help"), ("g n c s e j u q p o r", "go"), ("g n", "fresh"), ("j k", "rows"),
            ("Enter", "open"), ("x", "choose"), ("o", "outside"), ("c", "copy"), ("f", "filter"), (".", "pause"),
            ("Esc", "escape"),
        ].map { Model.KeyRow(key: $0, does: words("keys.\($1)")) }
    }

    // MARK: Forms

    static let forms = [
        PageForm(path: "/account/sessions/{id}/end", needs: .viewer) { request in
            let id = try request.id(OperatorSessionKind.self)
            guard try await sessions(request).end(id, by: request) else { throw PageProblem.notFound }
            return .seeOther("/account", note: "ended")
        },
        PageForm(path: "/account/sessions/end-others", needs: .viewer) { request in
            try await sessions(request).endOthers(by: request)
            return .seeOther("/account", note: "ended_others")
        },
        PageForm(path: "/account/password", needs: .viewer) { try await changePassword($0) },
    ]

    private static func sessions(_ request: PageRequest) -> Sessions {
        Sessions(database: request.app.database, ids: request.app.ids, cost: request.app.passwordCost)
    }

    /// Ends every session, also this one's: whoever changes a password signs in anew with it.
    private static func changePassword(_ request: PageRequest) async throws -> PageAnswer {
        guard let visitor = request.visitor else { throw PageProblem.forbidden }
        let (words, now, id) = (request.words, request.now, visitor.operator.id)
        func again(_ problem: String) async throws -> PageAnswer {
            .again(page, try await content(request, problems: [problem]))
        }
        if let problem = NewPassword.problem(request.form, words) { return try await again(problem) }
        let sessions = sessions(request)
        let (old, new) = (Secret(request.form["old"] ?? ""), Secret(request.form["password"] ?? ""))
        let (kept, salt, cost) = (visitor.operator.password, request.app.ids.bytes(16), sessions.cost)
        let guarding = SignInGuard(name: visitor.operator.name, address: request.address)
        guard case .allowed = try await request.app.database.write("sign_in_guard", { try guarding.take($0, at: now) })
        else { return try await again(words("account.old_wrong")) }
        let password = try await sessions.desk.work {
            kept.map { Passwords.fits(old, $0) } ?? false ? try Passwords.kept(new, salt: salt, cost: cost) : nil
        }
        guard let password else { return try await again(words("account.old_wrong")) }
        let audit = NewAudit(
            id: request.app.ids.make(), at: now, actor: id.text, action: "operator.password_changed", subject: id.text)
        try await request.app.database.write("change_password") { store in
            try guarding.forget(store)
            _ = try store.setPassword(password, of: id, at: now)
            try store.audit(audit)
        }
        return .seeOther("/sign-in")
    }
}

/// What a new password must be like.
enum NewPassword {
    static let shortest = 12

    /// What is wrong with the fields `password` and `again`, in a sentence; nil for nothing.
    static func problem(_ form: [String: String], _ words: Words) -> String? {
        let password = form["password"] ?? ""
        if password.count < shortest { return words("setup.short", ["n": words.number(password.count)]) }
        if password.utf8.count > Passwords.Cost.passwordMax { return words("setup.long") }
        return password.hasSameBytes(as: form["again"] ?? "") ? nil : words("setup.differ")
    }
}

/// Text for a shell.
enum ShellText {
    /// As one word, in single quotes where that is needed.
    static func quoted(_ text: String) -> String {
        let isPlain =
            !text.isEmpty
            && text.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                    || Array("-_./:@=%+,".utf8).contains(byte)
            }
        return isPlain ? text : "'" + text.replacing("'", with: #"'\''"#) + "'"
    }
}
