import Engine
import Kit
import Store

/// Connections: accounts of users at platforms.
enum ConnectionsAPI {
    static let path = [Parameter.id(ConnectionKind.self)]

    static let list = Action(
        "listConnections", "List connections", notes: "Those that were disconnected only by `state=revoked`.",
        .needs(.read, "connections"),
        query: Paging.parameters + Paging.times + [
            Parameter("provider", .slug(), "At one platform."),
            Parameter("user_id", .line(1...256), "Of one user."),
            Parameter("app_id", .id(AppKind.self), "Through these app credentials."),
            Parameter("state", .words(ConnectionView.states), "In one state."),
        ],
        answers: [.list(of: ConnectionView.schema)], problems: [.invalidCursor]
    ) { request in
        var filter = ConnectionFilter()
        filter.provider = request.queryText("provider")
        filter.userID = request.queryText("user_id")
        filter.app = request.queryText("app_id")
        filter.state = request.queryText("state").flatMap(ConnectionState.init)
        let page = try request.page()
        let rows = try await request.app.database.read("connections") { [filter] in try $0.connections(filter, page) }
        return request.list(rows, page, id: \.id.text) { ConnectionView(row: $0) }
    }

    static let get = Action(
        "getConnection", "Get a connection", .needs(.read, "connections"), path: path, isConditional: true,
        answers: [.ok("The connection.", ConnectionView.schema)], problems: [.notFound]
    ) { request in
        let row = try await request.connection()
        try request.checkVersion(row.version)
        return .connection(row)
    }

    static let update = Action(
        "updateConnection", "Pause or resume a connection",
        notes: "`paused`: nothing is asked on its behalf, and its tokens are kept alive. `active` ends the pause.",
        .needs(.write, "connections"), path: path,
        body: .named(
            "ConnectionChange",
            .object([.required("state", .words(["active", "paused"]), "What it shall be.")])
        ).example(["state": "paused"]),
        isConditional: true, answers: [.ok("The connection.", ConnectionView.schema)],
        problems: [.notFound, .wrongState]
    ) { request in
        let (id, now, auditID) = (
            request.pathID(ConnectionKind.self), request.now, request.app.ids.make(AuditKind.self)
        )
        let (pauses, expected) = (request.body["state"]?.text == "paused", try request.expectedVersion)
        let row = try await request.app.database.write("pause_connection") { session in
            guard let row = try session.holdConnection(id) else {
                throw Problem(.notFound, "There is no connection \(id).")
            }
            guard expected == nil || expected == row.version else {
                throw Problem(.preconditionFailed, "It is at version \(row.version) now.")
            }
            guard row.health.isAlive else {
                throw Problem(.wrongState, "The connection is \(row.state.rawValue). Its user must connect it.")
            }
            guard pauses != (row.pausedAt != nil) else { return row }
            try session.pauseConnection(id, since: pauses ? now : nil, at: now)
            try session.audit(
                NewAudit(auditID, pauses ? "connection.paused" : "connection.resumed", id.text, by: request))
            return try session.connection(id) ?? row
        }
        return .connection(row)
    }

    static let refresh = Action(
        "refreshConnection", "Get new tokens now",
        notes:
            "At once, whatever was due, but not before the time that the platform asked for. Waits for its answer, 25 "
            + "seconds at most. A failure that passes changes nothing: what the connection has goes on.",
        .needs(.write, "connections"), path: path, answers: [.ok("The connection.", ConnectionView.schema)],
        problems: [.notFound, .needsReconnect, .providerUnavailable, .wrongState, .notSetUp]
    ) { request in
        let hooks = try request.connecting
        let row = try await request.connection()
        guard row.health.isAlive, let version = row.tokenVersion else {
            throw Problem(
                row.health == .needsReconnect ? .needsReconnect : .wrongState,
                "The connection is \(row.state.rawValue): there are no tokens to refresh.")
        }
        let renewal = try await hooks.connections.refreshing.renew(
            row.id, from: version, .byHand, patience: Refreshing.patience)
        let name = hooks.platform(row.provider)?.about.name ?? row.provider
        switch renewal {
        case .renewed: return .connection(try await request.connection())
        case .held:
            throw Problem(.wrongState, "A refresh is on its way. Look again in a minute.", retryAfter: .seconds(30))
        case .later(let moment):
            throw Problem(
                .providerUnavailable, "\(name) gave no new tokens. It is asked again by itself.",
                retryAfter: max(.seconds(1), moment - request.now))
        case .nothing:
            throw Problem(
                .wrongState,
                "\(name) gave no refresh token. What the connection has works to its end; then its user connects again."
            )
        case .ended:
            throw Problem(
                .needsReconnect, "\(name) no longer accepts this connection. Connect the account again.")
        }
    }

    static let delete = Action(
        "deleteConnection", "Disconnect",
        notes: "Erased here at once, its id remembered as `revoked`. At the platform the grant is taken back, unless "
            + "somebody else is connected to the same account.",
        .needs(.write, "connections"), path: path, answers: [.noContent],
        problems: [.notFound, .notSetUp]
    ) { request in
        let id = request.pathID(ConnectionKind.self)
        guard
            try await request.connecting.connections.disconnect(id, reason: "disconnected", by: request.caller.id)
        else { throw Problem(.notFound, "There is no connection \(id).") }
        let job = AccountForgetting.job(request.app.ids.make(), at: request.now)
        // What was read of the account goes with its last link; where this is lost, a minute later.
        try await request.app.database.write("forget_account") { session in
            if try !session.forsakenAccounts(1).isEmpty { try session.enqueue([job]) }
        }
        request.app.hooks.jobsArrived()
        return .noContent
    }
}

extension APIRequest {
    fileprivate func connection() async throws -> ConnectionRow {
        let id = pathID(ConnectionKind.self)
        guard let row = try await app.database.read("connection", { try $0.connection(id) }) else {
            throw Problem(.notFound, "There is no connection \(id).")
        }
        return row
    }
}

extension Answer {
    fileprivate static func connection(_ row: ConnectionRow) -> Answer {
        .json(200, ConnectionView(row: row)).with("ETag", "\"\(row.version)\"")
    }
}

/// A connection as the API shows it.
struct ConnectionView: View {
    static let states = ConnectionState.allCases.map(\.rawValue)

    let row: ConnectionRow

    static let schema = Schema.named(
        "Connection",
        .object([
            .required("id", .id(ConnectionKind.self), "Its id."),
            .required("user_id", .text(), "The application's user."),
            .required("provider", .text(), "The platform."),
            .required("app_id", .id(AppKind.self), "The app credentials that its tokens are of."),
            .required("account_id", Schema.text().orNull, "The platform's own id of the account."),
            .required("name", Schema.text().orNull, "What the account is called there."),
            .required("state", .words(states), "What has become of it."),
            .required("reason", Schema.text().orNull, "Why, in a word; docs: Connect, “Health”."),
            .required("attention", Schema.text().orNull, "Why somebody should do something, in a word."),
            .required("scopes", .array(of: .text()), "What was granted."),
            .required("missing_scopes", .array(of: .text()), "What was asked for and not granted."),
            .required("expires_at", Schema.time.orNull, "When the access token ends; it is refreshed before."),
            .required("refresh_at", Schema.time.orNull, "When it is refreshed next."),
            .required(
                "ends_at", Schema.time.orNull, "When all of it ends unless the account's owner connects again."),
            .required("paused_at", Schema.time.orNull, "Since when it is paused."),
            .required("version", .integer(), "Rises with every change; for If-Match."),
            .required("created_at", .time, "When it was connected first."),
            .required("updated_at", .time, "When it changed last."),
            .required("deleted_at", Schema.time.orNull, "When it was disconnected."),
        ]))

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", JSON(row.id))
            writer.member("user_id", .string(row.userID))
            writer.member("provider", .string(row.provider))
            writer.member("app_id", JSON(row.app))
            writer.member("account_id", JSON(row.openID.isEmpty ? nil : row.openID))
            writer.member("name", JSON(row.name?.reveal { $0 }))
            writer.member("state", .string(row.state.rawValue))
            writer.member("reason", JSON(row.reason))
            writer.member("attention", JSON(row.attention))
            writer.member("scopes", .array(row.scopes.map(JSON.string)))
            writer.member("missing_scopes", .array(row.missing.map(JSON.string)))
            writer.member("expires_at", JSON(row.expiresAt))
            writer.member("refresh_at", JSON(row.refreshAt))
            writer.member("ends_at", JSON(row.endsAt))
            writer.member("paused_at", JSON(row.pausedAt))
            writer.member("version", JSON(row.version))
            writer.member("created_at", JSON(row.firstSeenAt))
            writer.member("updated_at", JSON(row.updatedAt))
            writer.member("deleted_at", JSON(row.deletedAt))
        }
    }
}
