import Engine
import Kit
import Store

/// App credentials: what a platform gave the operator. Each has a webhook address of its own.
enum AppsAPI {
    static let list = Action(
        "listApps", "List app credentials", .needs(.read, "apps"),
        query: Paging.parameters + Paging.times + [
            Parameter("provider", .slug(), "Of one platform."),
            Parameter("source", .words(AppView.sources), "From the settings, or made here."),
        ],
        answers: [.list(of: AppView.schema)], problems: [.invalidCursor]
    ) { request in
        var filter = AppFilter()
        (filter.provider, filter.source) = (request.queryText("provider"), request.queryText("source"))
        let (page, now) = (try request.page(), request.now)
        let views = try await request.app.database.read("apps") { [filter] session in
            try session.apps(filter, page).map { try AppView($0, in: session, at: now) }
        }
        return request.list(views, page, id: \.app.id.text) { $0 }
    }

    static let get = Action(
        "getApp", "Get app credentials", notes: "Its secrets by their ids only.", .needs(.read, "apps"),
        path: [.id(AppKind.self)], isConditional: true, answers: [.ok("The app.", AppView.schema)],
        problems: [.notFound]
    ) { request in
        let (id, now) = (request.pathID(AppKind.self), request.now)
        let view = try await request.app.database.read("app") { session in
            try session.app(id).map { try AppView($0, in: session, at: now) }
        }
        guard let view else { throw Problem(.notFound, "There is no app \(id).") }
        try request.checkVersion(view.app.version)
        return .app(view)
    }

    private static let secrets = Schema.object([
        .optional(
            AppSecrets.purpose, .array(of: .line(1...1000), 1...5),
            "As the platform shows them: `whsec_…`, `whpk_…`. Where a secret has a public name, as TikTok Shop's and "
                + "Braintree's have, `name:secret`."),
        .optional(
            ConnectionApps.purpose, .line(1...1000),
            "With the client id: what accounts are connected by, or the platform is asked by whether it sent a webhook."
        ),
    ])
    private static let clientID = Property.optional(
        "client_id", .line(1...256), "What the platform calls the app: client id, client key.")

    static let create = Action(
        "createApp", "Add app credentials",
        notes: "For one more sender of webhooks, at an address of its own, or one more app through which accounts are "
            + "connected. The secrets are sealed and never shown.",
        .needs(.admin, "apps"),
        body: .named(
            "AppRequest",
            .object([
                .required("provider", .slug(), "The platform: `standard-webhooks`, `stripe`, …"),
                .required("name", .line(1...100), "Whose they are, for people."),
                clientID,
                .required("secrets", secrets, "What the platform gave you."),
            ])
        ).example([
            "provider": "standard-webhooks", "name": "Acme",
            "secrets": ["webhook_secret": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]],
        ]),
        isIdempotent: true, answers: [.created("The app, with its address.", AppView.schema)], problems: [.notSetUp]
    ) { request in
        let (provider, name) = (request.body["provider"]?.text ?? "", request.body["name"]?.text ?? "")
        let ready = try request.sealedSecrets(for: provider)
        let client = try request.clientID(of: provider, has: ready, before: nil)
        guard !ready.isEmpty else {
            throw Problem(.invalidFields, [FieldProblem("secrets", "holds none.")])
        }
        let (id, auditID) = (request.app.ids.make(AppKind.self), request.app.ids.make(AuditKind.self))
        return try await request.once("create_app") { session in
            try session.addApp(id, provider: provider, name: name, clientID: client, at: request.now)
            try session.add(ready, to: id, at: request.now)
            try session.audit(
                NewAudit(auditID, "app.created", id.text, by: request, detail: ["provider": .string(provider)]))
            return .app(try AppView.of(id, in: session, at: request.now), status: 201)
        }
    }

    static let update = Action(
        "updateApp", "Change app credentials",
        notes: "New `secrets` prove webhooks at once; those before them go on for `overlap_seconds`, a day unless "
            + "said, for ever where it is null. `state: disabled` turns its address off.",
        .needs(.admin, "apps"), path: [.id(AppKind.self)],
        body: .named(
            "AppChange",
            .object([
                .optional("name", .line(1...100), "Whose they are."),
                clientID,
                .optional("state", .words(AppView.states), "On or off."),
                .optional("secrets", secrets, "New secrets."),
                .optional(
                    "overlap_seconds", Schema.integer(0...2_592_000).orNull,
                    "How long the secrets before the new ones go on; at most 30 days."),
            ])
        ).example([
            "secrets": ["webhook_secret": ["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"]], "overlap_seconds": 86400,
        ]),
        isConditional: true, answers: [.ok("The app.", AppView.schema)],
        problems: [.notFound, .wrongState, .notSetUp]
    ) { request in
        let (id, auditID) = (request.pathID(AppKind.self), request.app.ids.make(AuditKind.self))
        let known = try await request.app.database.read("app") { try $0.app(id) }
        let provider = try request.changeable(known).provider
        let ready = try request.sealedSecrets(for: provider)
        _ = try request.clientID(of: provider, has: ready, before: known)
        let (patch, oldEnd, version) = (request.appPatch, try request.oldSecretsEnd(ready), try request.expectedVersion)
        let view = try await request.app.database.write("update_app") { session in
            let app = try request.changeable(try session.holdApp(id))
            guard version == nil || version == app.version else {
                throw Problem(.preconditionFailed, "It is at version \(app.version) now.")
            }
            if let oldEnd {
                for purpose in Set(ready.map(\.purpose)) {
                    try session.expireSecrets(of: id, purpose: purpose, at: oldEnd)
                }
            }
            try session.add(ready, to: id, at: request.now)
            _ = try session.updateApp(id, patch, at: request.now)
            try session.audit(NewAudit(auditID, "app.changed", id.text, by: request, detail: request.changes))
            let view = try AppView.of(id, in: session, at: request.now)
            guard view.secrets.count <= AppView.secretsMax else {
                throw Problem(.wrongState, "It would have more than \(AppView.secretsMax) secrets. Remove some.")
            }
            return view
        }
        request.app.hooks.appChanged(id)
        return .app(view)
    }

    static let removeSecret = Action(
        "removeAppSecret", "Remove a secret", notes: "It proves nothing any more: here at once, elsewhere in a second.",
        .needs(.admin, "apps"),
        path: [.id(AppKind.self), Parameter("secret_id", .id(AppSecretKind.self), "The secret's id.")],
        answers: [.noContent], problems: [.notFound, .wrongState]
    ) { request in
        let (id, auditID) = (request.pathID(AppKind.self), request.app.ids.make(AuditKind.self))
        let secret = ID<AppSecretKind>(stored: request.pathText("secret_id"))
        try await request.app.database.write("remove_app_secret") { session in
            _ = try request.changeable(try session.holdApp(id))
            guard try session.removeSecret(secret, of: id, at: request.now) else {
                throw Problem(.notFound, "The app has no secret \(secret).")
            }
            try session.audit(
                NewAudit(auditID, "app.secret_removed", id.text, by: request, detail: ["secret": JSON(secret)]))
        }
        request.app.hooks.appChanged(id)
        return .noContent
    }

    static let delete = Action(
        "deleteApp", "Delete app credentials",
        notes: "Only before they have proven a webhook (what they proved is known by their id) and while no account is "
            + "connected through them. Disable them otherwise.",
        .needs(.admin, "apps"), path: [.id(AppKind.self)], answers: [.noContent], problems: [.notFound, .wrongState]
    ) { request in
        let (id, auditID) = (request.pathID(AppKind.self), request.app.ids.make(AuditKind.self))
        try await request.app.database.write("delete_app") { session in
            _ = try request.changeable(try session.holdApp(id))
            guard try session.deleteApp(id) else {
                throw Problem(
                    .wrongState,
                    "It has proven webhooks, whose repetitions are known by its id, or accounts are connected through "
                        + "it. Disable it instead.")
            }
            try session.audit(NewAudit(auditID, "app.deleted", id.text, by: request))
        }
        request.app.hooks.appChanged(id)
        return .noContent
    }
}

extension APIRequest {
    /// The body's new secrets, checked and sealed.
    fileprivate func sealedSecrets(for provider: String) throws -> [AppCredentials.Ready] {
        guard let credentials = app.hooks.apps else {
            throw Problem(.notSetUp, "This node seals no secrets: PATCHBAY_ENCRYPTION_KEYS is not set.")
        }
        let connectable = app.hooks.connecting?.platforms.map(\.about.id) ?? []
        let isProvable = credentials.providers.contains(provider)
        guard isProvable || connectable.contains(provider) else {
            let known = Set(credentials.providers + connectable).sorted().joined(separator: ", ")
            throw Problem(.invalidFields, [FieldProblem("provider", "must be one of \(known).")])
        }
        guard isProvable || body["secrets", AppSecrets.purpose] == nil else {
            throw Problem(
                .invalidFields, [FieldProblem("secrets.\(AppSecrets.purpose)", "is nothing that \(provider) has.")])
        }
        let texts = body["secrets", AppSecrets.purpose]?.elements?.compactMap(\.text) ?? []
        let client = body["secrets", ConnectionApps.purpose]?.text.map { Secret($0) }
        do {
            return try credentials.seal(texts, for: provider)
                + (client.map { [try credentials.seal(client: $0)] } ?? [])
        } catch let bad as AppCredentials.Unusable {
            throw Problem(
                .invalidFields, [FieldProblem("secrets.\(AppSecrets.purpose)[\(bad.number)]", bad.reason)])
        }
    }

    /// - Throws: what says why it cannot be changed here.
    fileprivate func changeable(_ row: AppRow?) throws(Problem) -> AppRow {
        guard let row else { throw Problem(.notFound, "There is no app \(pathText()).") }
        guard !row.isOfSettings else {
            throw Problem(.wrongState, "It stands for the secrets in the settings. Change them there, and restart.")
        }
        return row
    }

    /// The client id, which goes with a client secret, at platforms where accounts are connected, or that are asked as
    /// an app.
    fileprivate func clientID(
        of provider: String, has ready: [AppCredentials.Ready], before: AppRow?
    ) throws(Problem) -> String? {
        let (id, hasSecret) = (body["client_id"]?.text, ready.contains { $0.purpose == ConnectionApps.purpose })
        guard id != nil || hasSecret else { return nil }
        let isAsked = Providers.appAsked.contains { $0.about.id == provider }
        guard isAsked || app.hooks.connecting?.platform(provider) != nil else {
            throw Problem(.invalidFields, [FieldProblem("client_id", "is nothing that \(provider) has.")])
        }
        guard id != nil || before?.clientID != nil else {
            throw Problem(.invalidFields, [FieldProblem("client_id", "is missing beside the client secret.")])
        }
        guard hasSecret || before?.clientID != nil else {
            throw Problem(
                .invalidFields, [FieldProblem("secrets.\(ConnectionApps.purpose)", "is missing beside client_id.")])
        }
        return id
    }

    fileprivate var appPatch: AppPatch {
        AppPatch(
            name: body["name"]?.text, clientID: body["client_id"]?.text,
            isDisabled: body["state"]?.text.map { $0 == "disabled" })
    }

    /// When the secrets before the new ones end; nil where they go on.
    fileprivate func oldSecretsEnd(_ new: [AppCredentials.Ready]) throws(Problem) -> Timestamp? {
        let overlap = body["overlap_seconds"]
        guard !new.isEmpty else {
            guard overlap == nil else {
                throw Problem(.invalidFields, [FieldProblem("overlap_seconds", "stands beside new secrets only.")])
            }
            return nil
        }
        return overlap?.isNull == true ? nil : now + .seconds(overlap?.integer ?? 86_400)
    }

    /// What an audit entry says of a change.
    fileprivate var changes: JSON {
        .object((body.members ?? []).map { JSONMember($0.name, $0.name == "state" ? $0.value : true) })
    }
}

extension Session {
    fileprivate func add(_ secrets: [AppCredentials.Ready], to app: ID<AppKind>, at now: Timestamp) throws {
        for secret in secrets {
            try addSecret(
                secret.id.text, to: app, purpose: secret.purpose, sealed: secret.sealed.bytes,
                keyID: secret.sealed.keyID, expiring: nil, at: now)
        }
    }
}

extension Answer {
    fileprivate static func app(_ view: AppView, status: Int = 200) -> Answer {
        let answer = Answer.json(status, view).with("ETag", "\"\(view.app.version)\"")
        return status == 201 ? answer.with("Location", "/v1/apps/\(view.app.id)") : answer
    }
}

struct AppView: View {
    /// Active at the same time.
    static let secretsMax = 20
    static let sources = ["settings", "api"]
    static let states = ["active", "disabled"]

    let app: AppRow
    let secrets: [SealedRow]

    init(_ app: AppRow, in session: Session, at now: Timestamp) throws {
        self.app = app
        secrets = try [AppSecrets.purpose, ConnectionApps.purpose].flatMap {
            try session.secrets(of: app.id, purpose: $0, at: now)
        }
    }

    static func of(_ id: ID<AppKind>, in session: Session, at now: Timestamp) throws -> AppView {
        guard let app = try session.app(id) else { throw Problem(.notFound, "There is no app \(id).") }
        return try AppView(app, in: session, at: now)
    }

    static let schema = Schema.named(
        "App",
        .object([
            .required("id", .id(AppKind.self), "Its id."),
            .required("provider", .text(), "The platform."),
            .required("name", .text(), "Whose they are."),
            .required("source", .words(sources), "From the settings, or made here."),
            .required("client_id", Schema.text().orNull, "What the platform calls the app; null without one."),
            .required("state", .words(states), "On or off."),
            .required("webhook_path", .text(), "Where the platform sends its webhooks, below this server's address."),
            .required(
                "secrets",
                .array(
                    of: .object([
                        .required("id", .text(), "Its id; the secret itself is never shown."),
                        .required("purpose", .text(), "What it is for."),
                        .required("created_at", .time, "When it came."),
                        .required("expires_at", Schema.time.orNull, "When it ends."),
                    ])), "Its active secrets, newest first; empty where they stand in the settings."),
            .required("version", .integer(), "Rises with every change; for If-Match."),
            .required("created_at", .time, "When it was made."),
            .required("updated_at", .time, "When it changed last."),
            .required("disabled_at", Schema.time.orNull, "Since when it is off."),
        ]))

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", JSON(app.id))
            writer.member("provider", .string(app.provider))
            writer.member("name", .string(app.name))
            writer.member("source", .string(app.source))
            writer.member("client_id", JSON(app.clientID))
            writer.member("state", app.disabledAt == nil ? "active" : "disabled")
            writer.member("webhook_path", .string(app.webhookPath))
            writer.key("secrets")
            writer.array { writer in
                for secret in secrets {
                    writer.value([
                        "id": .string(secret.id), "purpose": .string(secret.purpose),
                        "created_at": JSON(secret.createdAt), "expires_at": JSON(secret.expiresAt),
                    ])
                }
            }
            writer.member("version", JSON(app.version))
            writer.member("created_at", JSON(app.createdAt))
            writer.member("updated_at", JSON(app.updatedAt))
            writer.member("disabled_at", JSON(app.disabledAt))
        }
    }
}
