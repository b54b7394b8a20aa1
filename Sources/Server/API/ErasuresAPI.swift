import Engine
import Kit
import Store

/// Erasing a user, and the receipt for it.
enum ErasuresAPI {
    static let erase = Action(
        "eraseUser", "Erase a user",
        notes: "At once nothing new about the user is kept. A job then erases what is kept of the user's events; "
            + "the erasure is `done` when nothing is left, in free pages and in the log either, and is its receipt.",
        .needs(.write, "users"), path: UsersAPI.path,
        answers: [.accepted("The erasure.", ErasureView.schema)], problems: [.notFound]
    ) { request in
        let (app, user) = (request.app, request.pathText())
        let bodies = try await app.database.read("erasure_bodies") { session -> [String] in
            guard let row = try session.user(user) else { throw Problem(.notFound, "There is no such user.") }
            let customers = try session.customers(of: user).map(\.name.customer)
            let email = row.email.map { [$0.reveal { $0 }] } ?? []
            let accounts = try session.ownAccounts(of: user).map(\.account)
            return try session.bodiesNaming([user] + email + customers + accounts, limit: 5000)
        }
        let new = NewErasure(
            id: app.ids.make(), user: user, who: UserDigest.of(user), askedBy: request.caller.id, at: request.now,
            bodies: bodies)
        let (jobID, auditID) = (app.ids.make(JobKind.self), app.ids.make(AuditKind.self))
        let row = try await app.database.write("erase_user") { session in
            guard let row = try UserErasing.begin(new, job: jobID, in: session) else {
                throw Problem(.notFound, "There is no such user.")
            }
            try session.audit(
                NewAudit(
                    auditID, "user.erasure_begun", new.id.text, by: request, detail: ["user": .string(new.who)]))
            return row
        }
        app.hooks.jobsArrived()
        return Answer.json(202, ErasureView(row: row)).with("Location", "/v1/erasures/\(new.id)")
    }

    static let list = Action(
        "listErasures", "List erasures", .needs(.read, "users"), query: Paging.parameters + Paging.times,
        answers: [.list(of: ErasureView.schema)], problems: [.invalidCursor]
    ) { request in
        let page = try request.page()
        let rows = try await request.app.database.read("erasures") { try $0.erasures(page) }
        return request.list(rows, page, id: \.id.text) { ErasureView(row: $0) }
    }

    static let get = Action(
        "getErasure", "Get an erasure", notes: "The receipt, once it is `done`.", .needs(.read, "users"),
        path: [.id(ErasureKind.self)], answers: [.ok("The erasure.", ErasureView.schema)], problems: [.notFound]
    ) { request in
        let id = request.pathID(ErasureKind.self)
        guard let row = try await request.app.database.read("erasure", { try $0.erasure(id) }) else {
            throw Problem(.notFound, "There is no erasure \(id).")
        }
        return .json(200, ErasureView(row: row))
    }
}

struct ErasureView: View {
    let row: ErasureRow

    /// What stays after an erasure, and why: the same for every one.
    private static let kept = [
        ("event_identities", "Hashes and days, so that a repeated delivery is known as one."),
        ("used_proofs", "Hashes and days, so that a platform's proof counts for one body alone."),
        ("events", "Platform, type, id and times, without user, customer and content: what happened stays countable."),
        ("payments", "Amounts, states and the platform's ids, without user and customer: the accounts stay right."),
        ("audit", "Who did what, with a digest in place of the user's id."),
        (
            "calls",
            "What platforms were asked, when and how it went, without for whom: quotas and failures stay countable."
        ),
        (
            "erased_names",
            "Hashes of the ids of user, customers and accounts, so that what comes later about them is not kept."
        ),
    ]
    private static let outside = [
        "Backups made before this erasure, the copy before an upgrade included: delete them, or erase again after a "
            + "restore.",
        "What was already sent to endpoints and live clients.",
        "PostgreSQL: old versions of rows until its next vacuum, and its archive of the log.",
        "Stored answers to an Idempotency-Key: for seven days.",
    ]

    static let schema = Schema.named(
        "Erasure",
        .object([
            .required("id", .id(ErasureKind.self), "Its id."),
            .required(
                "user", Schema.text().orNull,
                "The first 24 hex digits of the SHA-256 of the user's id; null where it is an account."),
            .required(
                "account", Schema.text().orNull, "A digest of platform and account, where the platform asked for it."),
            .required("provider", Schema.text().orNull, "Whose account it is; null where it is a user."),
            .required("state", .words(["running", "done"]), "Whether all is erased."),
            .required(
                "asked_by", .text(), "Whose key asked for it; `platform:` and the platform where its owner asked there."
            ),
            .required("asked_at", .time, "When it was asked for."),
            .required("finished_at", Schema.time.orNull, "When nothing was left."),
            .required("erased", .map(of: .integer(0...Int64.max), most: 20), "How many rows of what, so far."),
            .required(
                "kept",
                .array(
                    of: .object([
                        .required("what", .text(), "Which rows."), .required("why", .text(), "And why."),
                    ])), "What stays of it."),
            .required("outside", .array(of: .text()), "What no erasure here can reach."),
        ]))

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", JSON(row.id))
            writer.member("user", row.provider == nil ? .string(row.who) : .null)
            writer.member("account", row.provider == nil ? .null : .string(row.who))
            writer.member("provider", JSON(row.provider))
            writer.member("state", .string(row.state))
            writer.member("asked_by", .string(row.askedBy))
            writer.member("asked_at", JSON(row.askedAt))
            writer.member("finished_at", JSON(row.finishedAt))
            writer.member("erased", ErasureCounts(row.counts).json)
            writer.member("kept", .array(Self.kept.map { ["what": .string($0.0), "why": .string($0.1)] }))
            writer.member("outside", .array(Self.outside.map(JSON.string)))
        }
    }
}
