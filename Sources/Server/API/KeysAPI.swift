import Kit
import Store

/// API keys: made, shown once, kept as hashes.
enum KeysAPI {
    static let list = Action(
        "listKeys", "List API keys", .needs(.admin, "keys"),
        query: Paging.parameters + Paging.times + [Parameter("name", .line(1...100), "Of one name.")],
        answers: [.list(of: KeyView.schema)], problems: [.invalidCursor]
    ) { request in
        var filter = KeyFilter()
        filter.name = request.queryText("name")
        let (page, now) = (try request.page(), request.now)
        let rows = try await request.app.database.read("keys") { [filter] in try $0.keys(filter, page) }
        return request.list(rows, page, id: \.id.text) { KeyView(row: $0, now: now) }
    }

    static let get = Action(
        "getKey", "Get an API key", .needs(.admin, "keys"), path: [.id(KeyKind.self)],
        answers: [.ok("The key, without itself.", KeyView.schema)], problems: [.notFound]
    ) { request in
        let id = request.pathID(KeyKind.self)
        guard let row = try await request.app.database.read("key", { try $0.keyRow(id) }) else {
            throw Problem(.notFound, "There is no key \(id).")
        }
        return .json(200, KeyView(row: row, now: request.now))
    }

    static let create = Action(
        "createKey", "Make an API key", notes: "The answer shows the key, once. Only its hash is kept.",
        .needs(.admin, "keys"),
        body: .named(
            "KeyRequest",
            .object([
                .required("name", .line(1...100), "Whose key it is, for people."),
                .required("scopes", .array(of: .words(Scope.all), 1...20), "What it may do."),
                .optional("expires_at", Schema.time.orNull, "When it ends; never unless said."),
                .optional(
                    "proxy_paths", .array(of: .line(1...200), 1...50),
                    "Where its calls through /v1/proxy may go: `GET /v2/video/list/`, or `/v2/video/**` for every "
                        + "method; `{}` stands for one segment. Anywhere unless said."),
            ])
        ).example(["name": "shop backend", "scopes": ["read", "events:write"]]),
        isIdempotent: true, answers: [.created("The key, shown once.", KeyView.schema)], problems: [.alreadyShown]
    ) { request in
        let new = try NewKey(
            name: request.body["name"]?.text ?? "", scopes: (request.body["scopes"]?.elements ?? []).compactMap(\.text),
            expiresAt: request.body["expires_at"]?.text.flatMap(Timestamp.init(rfc3339:)),
            proxyPaths: request.body["proxy_paths"]?.elements?.compactMap(\.text), in: request)
        let (now, actor, auditID) = (request.now, request.caller.id, request.app.ids.make(AuditKind.self))
        return try await request.once("create_key") { session in
            try session.add(new.row, hash: KeyText.hash(new.key))
            try session.audit(NewAudit(auditID, "key.created", new.row.id.text, by: request))
            return new.answer(at: now)
        }
    }

    static let rotate = Action(
        "rotateKey", "Replace an API key",
        notes:
            "Makes a key of the same name and scopes; the old one works on for `overlap_seconds`, a day unless said.",
        .needs(.admin, "keys"), path: [.id(KeyKind.self)],
        body: .named(
            "KeyRotation",
            .object([
                .optional(
                    "overlap_seconds", .integer(0...604_800), "How long the old key works on; at most seven days.")
            ])
        ).example(["overlap_seconds": 3600]),
        isIdempotent: true, answers: [.created("The new key, shown once.", KeyView.schema)],
        problems: [.notFound, .wrongState, .alreadyShown]
    ) { request in
        let (app, id, now, actor) = (request.app, request.pathID(KeyKind.self), request.now, request.caller.id)
        let overlap = Duration.seconds(request.body["overlap_seconds"]?.integer ?? 86_400)
        guard let old = try await app.database.read("key", { try $0.keyRow(id) }) else {
            throw Problem(.notFound, "There is no key \(id).")
        }
        let new = try NewKey(
            name: old.name, scopes: old.scopes, expiresAt: nil, proxyPaths: old.proxyPaths, family: old.family,
            in: request)
        let auditID = app.ids.make(AuditKind.self)
        let answer = try await request.once("rotate_key") { session in
            guard let old = try session.key(id), old.isActive(at: now) else {
                throw Problem(.wrongState, "The key is not active.")
            }
            guard try session.activeKeys(of: old.family, at: now) < 2 else {
                throw Problem(.wrongState, "The key and one made of it are active already. Revoke one.")
            }
            try session.expire(id, at: now + overlap)
            try session.add(new.row, hash: KeyText.hash(new.key))
            try session.audit(NewAudit(auditID, "key.rotated", id.text, by: request, detail: ["new": JSON(new.row.id)]))
            return new.answer(at: now)
        }
        await app.keys.forgetAll()
        return answer
    }

    static let revoke = Action(
        "revokeKey", "Revoke an API key", notes: "It is refused at once on this node, on others within a second.",
        .needs(.admin, "keys"), path: [.id(KeyKind.self)], answers: [.noContent], problems: [.notFound]
    ) { request in
        let (id, now, actor, auditID) = (
            request.pathID(KeyKind.self), request.now, request.caller.id, request.app.ids.make(AuditKind.self)
        )
        try await request.app.database.write("revoke_key") { session in
            guard try session.key(id) != nil else { throw Problem(.notFound, "There is no key \(id).") }
            guard try session.revoke(id, at: now) else { return }
            try session.audit(NewAudit(auditID, "key.revoked", id.text, by: request))
        }
        await request.app.keys.forgetAll()
        return .noContent
    }
}

/// A key that is about to be kept.
struct NewKey: Sendable {
    let row: KeyRow
    let key: Secret

    init(
        name: String, scopes: [String], expiresAt: Timestamp?, proxyPaths: [String]?, family: ID<KeyKind>? = nil,
        in request: APIRequest
    ) throws(Problem) {
        for (index, rule) in (proxyPaths ?? []).enumerated() where ProxyRule(rule) == nil {
            throw Problem(
                .invalidFields,
                [FieldProblem("proxy_paths[\(index)]", "must be a path, or a method and a path: GET /v2/video/list/.")])
        }
        if let expiresAt, expiresAt <= request.now {
            throw Problem(.invalidFields, [FieldProblem("expires_at", "must lie ahead.")])
        }
        self.init(
            name: name, scopes: scopes, expiresAt: expiresAt, mode: request.app.settings.mode, ids: request.app.ids,
            at: request.now, proxyPaths: proxyPaths, family: family)
    }

    init(
        name: String, scopes: [String], expiresAt: Timestamp?, mode: Settings.Mode, ids: Identifiers,
        at now: Timestamp, proxyPaths: [String]? = nil, family: ID<KeyKind>? = nil
    ) {
        key = KeyText.make(mode, ids)
        row = KeyRow(
            id: ids.make(), name: name, scopes: Array(Set(scopes)).sorted(), hint: KeyText.hint(key),
            apiVersion: APIVersion.current, createdAt: now, expiresAt: expiresAt, proxyPaths: proxyPaths,
            family: family)
    }

    func answer(at now: Timestamp) -> Answer {
        var answer = Answer.json(201, KeyView(row: row, now: now, key: key)).with("Location", "/v1/keys/\(row.id)")
        answer.holdsSecret = true
        return answer
    }
}

struct KeyView: View {
    let row: KeyRow
    let now: Timestamp
    var key: Secret?

    static let schema = Schema.named(
        "Key",
        .object([
            .required("id", .id(KeyKind.self), "Its id."),
            .required("name", .text(), "Whose key it is."),
            .required("scopes", .array(of: .text()), "What it may do."),
            .required(
                "proxy_paths", Schema.array(of: .text()).orNull,
                "Where its calls through /v1/proxy may go; null: anywhere."),
            .required("hint", .text(), "Its last characters."),
            .required("state", .words(["active", "expired", "revoked"]), "How it stands."),
            .required("version", .text(), "The version of the API that its answers have."),
            .required("created_at", .time, "When it was made."),
            .required("expires_at", Schema.time.orNull, "When it ends."),
            .required("last_used_at", Schema.time.orNull, "When it was used last, to within a minute."),
            .required("revoked_at", Schema.time.orNull, "When it was revoked."),
            .optional("key", .text(), "The key itself: shown when it is made, never again."),
        ]))

    func write(to writer: inout JSONWriter) {
        let state = row.revokedAt != nil ? "revoked" : row.isActive(at: now) ? "active" : "expired"
        writer.object { writer in
            writer.member("id", JSON(row.id))
            writer.member("name", .string(row.name))
            writer.member("scopes", .array(row.scopes.map(JSON.string)))
            writer.member("proxy_paths", row.proxyPaths.map { .array($0.map(JSON.string)) } ?? .null)
            writer.member("hint", .string(row.hint))
            writer.member("state", .string(state))
            writer.member("version", .string(row.apiVersion))
            writer.member("created_at", JSON(row.createdAt))
            writer.member("expires_at", JSON(row.expiresAt))
            writer.member("last_used_at", JSON(row.lastUsedAt))
            writer.member("revoked_at", JSON(row.revokedAt))
            key?.reveal { writer.member("key", .string(String(decoding: $0, as: UTF8.self))) }
        }
    }
}
