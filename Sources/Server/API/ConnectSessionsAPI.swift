import Engine
import Kit
import Store

/// Links that people open to connect an account.
enum ConnectSessionsAPI {
    static let path = [Parameter.id(ConnectSessionKind.self)]

    static let create = Action(
        "createConnectSession", "Begin connecting an account",
        notes: "Send the user's browser to `url` within ten minutes; the link works in one browser. It comes back to "
            + "`return_url` with `connect_session` and `code`, or `error`. With a `return_url` the connection is "
            + "`pending` until you confirm, with that code, that the user you see signed in is the one who began. "
            + "`confirm: false` waives it: then anybody who is given the link can connect an account to this user.",
        .needs(.write, "connections"),
        body: .named(
            "ConnectSessionRequest",
            .object([
                .required("user_id", .line(1...256), "The application's user."),
                .required("provider", .slug(), "The platform: `tiktok`, …"),
                .optional(
                    "scopes", .array(of: .line(1...128), 1...50),
                    "The platform's permissions; those that it is usually asked for unless said."),
                .optional(
                    "return_url", .line(1...2000),
                    "Where the browser goes afterwards; its origin stands in PATCHBAY_RETURN_ORIGINS."),
                .optional("confirm", .boolean, "Whether you confirm who consented; true unless said."),
                .optional(
                    "connection_id", .id(ConnectionKind.self), "A connection to be connected again: the same account."),
                .optional("app_id", .id(AppKind.self), "Which app credentials; the usual ones unless said."),
            ])
        ).example([
            "user_id": "user-42", "provider": "tiktok", "return_url": "https://app.example.com/settings/accounts",
        ]),
        isIdempotent: true, answers: [.created("The session, with its link.", ConnectSessionView.created)],
        problems: [.notFound, .wrongState, .alreadyShown, .notSetUp]
    ) { request in
        let hooks = try request.connecting
        let wanted = try await request.wantedSession(hooks)
        let link = hooks.sessions.token()
        let now = request.now
        let new = NewConnectSession(
            id: request.app.ids.make(), linkHash: link.hash, userID: wanted.user, provider: wanted.platform.about.id,
            app: wanted.app, scopes: wanted.scopes, returnURL: wanted.returnURL, confirms: wanted.confirms,
            wantedConnection: wanted.connection, madeBy: request.caller.id, createdAt: now,
            expiresAt: now + ConnectSessions.life)
        let auditID = request.app.ids.make(AuditKind.self)
        let url = request.app.settings.browserAddress + "/connect/" + SessionToken.text(link.secret)
        return try await request.once("create_connect_session") { session in
            guard try session.erased(among: [ErasedName(user: new.userID)]).isEmpty else {
                throw Problem(
                    .wrongState, "The user was erased. If it is known again, say so first: PUT /v1/users/{id}.")
            }
            try session.add(new)
            try session.audit(
                NewAudit(
                    auditID, "connect_session.created", new.id.text, by: request,
                    detail: ["provider": .string(new.provider), "user": .string(UserDigest.of(new.userID))]))
            guard let row = try session.connectSession(new.id) else { throw StoreError.damaged("a new session") }
            var answer = Answer.json(201, ConnectSessionView(row: row, url: url, now: now))
                .with("Location", "/v1/connect-sessions/\(new.id)")
            answer.holdsSecret = true
            return answer
        }
    }

    static let get = Action(
        "getConnectSession", "Get a connect session", notes: "How it stands. Kept for a day.",
        .needs(.read, "connections"), path: path, answers: [.ok("The session.", ConnectSessionView.schema)],
        problems: [.notFound]
    ) { request in
        let (id, now) = (request.pathID(ConnectSessionKind.self), request.now)
        guard let row = try await request.app.database.read("connect_session", { try $0.connectSession(id) }) else {
            throw Problem(.notFound, "There is no connect session \(id).")
        }
        return .json(200, ConnectSessionView(row: row, url: nil, now: now))
    }

    static let confirm = Action(
        "confirmConnectSession", "Confirm who consented",
        notes: "Within ten minutes, with the `code` that came to `return_url` and the user who is signed in where it "
            + "came. Another user than the one who began: the connection is taken back.",
        .needs(.write, "connections"), path: path,
        body: .named(
            "ConnectConfirmation",
            .object([
                .required("code", .line(1...128), "From the query of `return_url`."),
                .required("user_id", .line(1...256), "The user whom the application sees signed in."),
            ])
        ).example(["code": "k3uX…", "user_id": "user-42"]),
        answers: [.ok("The session; its connection is active.", ConnectSessionView.schema)],
        problems: [.notFound, .wrongState, .notSetUp]
    ) { request in
        let (id, now) = (request.pathID(ConnectSessionKind.self), request.now)
        do {
            let row = try await request.connecting.sessions.confirm(
                id, code: Secret(request.body["code"]?.text ?? ""), user: request.body["user_id"]?.text ?? "",
                by: request.caller.id)
            request.app.hooks.jobsArrived()
            return .json(200, ConnectSessionView(row: row, url: nil, now: now))
        } catch let refusal as ConnectSessions.Refusal {
            throw Problem(refusal, id)
        }
    }
}

extension Problem {
    fileprivate init(_ refusal: ConnectSessions.Refusal, _ id: ID<ConnectSessionKind>) {
        switch refusal {
        case .unknown: self.init(.notFound, "There is no connect session \(id).")
        case .over: self.init(.wrongState, "Ten minutes have passed. Begin again with a new session.")
        case .wrongCode:
            self.init(.invalidFields, [FieldProblem("code", "is not the code that came to return_url.")])
        case .wrongUser:
            self.init(
                .wrongState, "Another user began. The connection was taken back; begin again for the right user.")
        case .notPending(let state):
            self.init(.wrongState, "The session is \(state); there is nothing to confirm with this code.")
        case .ended(let state):
            self.init(.wrongState, "The connection is \(state) by now. Begin again with a new session.")
        }
    }
}

extension APIRequest {
    /// - Throws: 409 where nothing can be sealed.
    var connecting: ConnectHooks {
        get throws(Problem) {
            guard let connecting = app.hooks.connecting else {
                throw Problem(.notSetUp, "This node connects no accounts: PATCHBAY_ENCRYPTION_KEYS is not set.")
            }
            return connecting
        }
    }

    /// What a session is to be, checked.
    fileprivate struct WantedSession {
        let user: String
        let platform: any Connectable
        let app: ID<AppKind>
        let scopes: [String]
        let returnURL: String?
        let confirms: Bool
        let connection: ID<ConnectionKind>?
    }

    fileprivate func wantedSession(_ hooks: ConnectHooks) async throws -> WantedSession {
        let user = body["user_id"]?.text ?? ""
        guard OutsideID.passes(user) else {
            throw Problem(.invalidFields, [FieldProblem("user_id", "has more than \(OutsideID.bytesMax) bytes.")])
        }
        guard let platform = hooks.platform(body["provider"]?.text ?? "") else {
            let known = hooks.platforms.map(\.about.id).joined(separator: ", ")
            throw Problem(.invalidFields, [FieldProblem("provider", "must be one of \(known).")])
        }
        let standing = try await standingConnection(of: user, at: platform)
        let app = try await app(for: platform, standing, hooks)
        let returnURL = try returnURL()
        let confirms = body["confirm"]?.boolean ?? (returnURL != nil)
        guard !confirms || returnURL != nil else {
            throw Problem(.invalidFields, [FieldProblem("confirm", "needs a return_url, where the code comes to.")])
        }
        return WantedSession(
            user: user, platform: platform, app: app, scopes: try scopes(platform, standing), returnURL: returnURL,
            confirms: confirms, connection: standing?.id)
    }

    private func scopes(_ platform: any Connectable, _ standing: ConnectionRow?) throws -> [String] {
        let scopes = body["scopes"]?.elements?.compactMap(\.text) ?? standing?.wanted ?? platform.oauth.usualScopes
        for (number, scope) in scopes.enumerated()
        where scope.contains(platform.oauth.scopeSeparator) || scope.contains(where: \.isWhitespace) {
            throw Problem(.invalidFields, [FieldProblem("scopes[\(number)]", "is more than one permission.")])
        }
        return scopes
    }

    private func standingConnection(of user: String, at platform: any Connectable) async throws -> ConnectionRow? {
        guard let text = body["connection_id"]?.text else { return nil }
        let id = ID<ConnectionKind>(stored: text)
        let row = try await app.database.read("connection") { try $0.connection(id) }
        guard let row, row.deletedAt == nil, row.userID.hasSameBytes(as: user), row.provider == platform.about.id
        else { throw Problem(.notFound, "The user has no connection \(text) at \(platform.about.name).") }
        return row
    }

    private func app(
        for platform: any Connectable, _ standing: ConnectionRow?, _ hooks: ConnectHooks
    ) async throws -> ID<AppKind> {
        let named = body["app_id"]?.text.map { ID<AppKind>(stored: $0) }
        if let named, let standing, named != standing.app {
            throw Problem(
                .invalidFields, [FieldProblem("app_id", "must be \(standing.app), which the connection is of.")])
        }
        if let app = named ?? standing?.app {
            guard try await hooks.sessions.isUsable(app, at: platform.about.id) else {
                throw Problem(
                    .wrongState, "The app \(app) has no client id and secret for \(platform.about.name), or is off.")
            }
            return app
        }
        guard let usual = try await hooks.sessions.usualApp(of: platform.about.id) else {
            let names = platform.oauth.settings
            throw Problem(
                .wrongState,
                "\(platform.about.name) is not set up here. Set \(names.clientID) and \(names.clientSecret), or add "
                    + "app credentials at /v1/apps.")
        }
        return usual
    }

    /// Only to an origin that the operator has named: nobody is sent elsewhere from here.
    private func returnURL() throws(Problem) -> String? {
        guard let text = body["return_url"]?.text else { return nil }
        let url: OutsideURL
        do { url = try OutsideURL(text) } catch {
            throw Problem(.invalidFields, [FieldProblem("return_url", error.reason)])
        }
        let isKnown = app.settings.returnOrigins.compactMap { try? OutsideURL($0) }.contains {  // Checked at the start.
            $0.scheme == url.scheme && $0.host == url.host && $0.port == url.port
        }
        guard isKnown else {
            throw Problem(
                .invalidFields,
                [FieldProblem("return_url", "is not below an origin in PATCHBAY_RETURN_ORIGINS. Add it there.")])
        }
        return text
    }
}

/// A connect session as the API shows it.
struct ConnectSessionView: View {
    let row: ConnectSessionRow
    /// Shown once.
    let url: String?
    let now: Timestamp

    private static let members: [Property] = [
        .required("id", .id(ConnectSessionKind.self), "Its id."),
        .required("state", .words(["open", "pending", "connected", "failed", "expired"]), "How it stands."),
        .required("code", Schema.text().orNull, "Why it failed, as in `&error=`."),
        .required("user_id", .text(), "The application's user."),
        .required("provider", .text(), "The platform."),
        .required("app_id", .id(AppKind.self), "Through which app credentials."),
        .required("scopes", .array(of: .text()), "What is asked for."),
        .required("connection_id", Schema.id(ConnectionKind.self).orNull, "What came of it."),
        .required("created_at", .time, "When it began."),
        .required("expires_at", .time, "Until when its link is good."),
    ]
    static let schema = Schema.named("ConnectSession", .object(members))
    static let created = Schema.named(
        "NewConnectSession",
        .object(members + [.required("url", .text(format: "uri"), "Where the user's browser goes; shown once.")]))

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", JSON(row.id))
            writer.member("state", .string(row.shownState(at: now)))
            writer.member("code", JSON(row.code))
            writer.member("user_id", .string(row.userID))
            writer.member("provider", .string(row.provider))
            writer.member("app_id", JSON(row.app))
            writer.member("scopes", .array(row.scopes.map(JSON.string)))
            writer.member("connection_id", JSON(row.connection))
            writer.member("created_at", JSON(row.createdAt))
            writer.member("expires_at", JSON(row.expiresAt))
            if let url { writer.member("url", .string(url)) }
        }
    }
}
