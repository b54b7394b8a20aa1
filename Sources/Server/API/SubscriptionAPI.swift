import Engine
import Kit
import Store

/// Webhooks ordered at the platform by its API: one subscription an app.
enum SubscriptionAPI {
    static let get = Action(
        "getAppSubscription", "Get an app's webhook subscription",
        notes: "What stands at the platform, as of the last look; one is taken every day, and what differs is put "
            + "right.",
        .needs(.read, "apps"), path: [.id(AppKind.self)],
        answers: [.ok("The subscription.", SubscriptionView.schema)], problems: [.notFound]
    ) { request in
        let (app, row) = try await request.appAndSubscription()
        var view = SubscriptionView(app: app, row: row, wanted: nil)
        do throws(Problem) { view.wanted = try request.wanted(app) } catch { view.refusal = error.detail }
        return .json(200, view)
    }

    static let create = Action(
        "subscribeApp", "Order an app's webhooks at the platform",
        notes: "Where the platform takes orders by API. Registers this server's address with the events that are acted "
            + "upon, and keeps the secret beside those that are there; what stands already is put right. With "
            + "`dry_run` the platform is asked, nothing is changed, and `would` says what would be. Runs as a job: "
            + "`state` goes from `registering` to `registered`.",
        .needs(.admin, "apps"), path: [.id(AppKind.self)],
        body: .named(
            "SubscriptionRequest",
            .object([.optional("dry_run", .boolean, "Says what would be done, and does nothing.")])
        ).example(["dry_run": true]),
        isIdempotent: true,
        answers: [
            .ok("What would be done.", SubscriptionView.schema), .accepted("It runs.", SubscriptionView.schema),
        ], problems: [.notFound, .notSetUp, .wrongState, .providerUnavailable, .quotaReached]
    ) { request in
        let (app, row) = try await request.subscription()
        guard row?.state != .removing else {
            throw Problem(.wrongState, "It is being removed. Order it again when that is done.")
        }
        let wanted = try request.wanted(app)
        if request.body["dry_run"]?.boolean == true {
            let plan = try await request.plan(app, known: row?.remoteID)
            return .json(200, SubscriptionView(app: app, row: row, wanted: wanted, plan: plan))
        }
        return try await request.begin(app, wanted, "subscribed", repairs: true) { session in
            try session.wantSubscription(of: app.id, at: app.provider, now: request.now)
        }
    }

    static let check = Action(
        "checkAppSubscription", "Look at an app's webhook subscription now",
        notes: "Compares what stands at the platform with what is wanted, and puts it right; with `repair: false` it "
            + "is only noted.",
        .needs(.admin, "apps"), path: [.id(AppKind.self)],
        body: .named(
            "SubscriptionCheck", .object([.optional("repair", .boolean, "Puts right what differs; unless said, yes.")])
        ).example(["repair": false]),
        isIdempotent: true, answers: [.accepted("It runs.", SubscriptionView.schema)],
        problems: [.notFound, .notSetUp, .wrongState]
    ) { request in
        let (app, row) = try await request.subscription()
        guard row != nil else { throw Problem(.wrongState, "Nothing is ordered for it yet.") }
        let repairs = request.body["repair"]?.boolean ?? true
        return try await request.begin(
            app, try request.wanted(app), "checked", repairs: repairs
        ) { _ in }
    }

    static let delete = Action(
        "unsubscribeApp", "Take an app's webhook subscription away",
        notes: "What we have made at the platform is deleted there; then its secret proves nothing any more. What "
            + "others have made stays.",
        .needs(.admin, "apps"), path: [.id(AppKind.self)],
        answers: [.accepted("It runs.", SubscriptionView.schema)], problems: [.notFound, .notSetUp, .wrongState]
    ) { request in
        let (app, row) = try await request.subscription()
        guard row != nil else { throw Problem(.wrongState, "Nothing is ordered for it.") }
        return try await request.begin(app, nil, "unsubscribed", repairs: true) { session in
            _ = try session.setSubscription(of: app.id, .removing, now: request.now)
        }
    }
}

extension APIRequest {
    fileprivate func appAndSubscription() async throws -> (AppRow, WebhookSubscriptionRow?) {
        let id = pathID(AppKind.self)
        let found = try await app.database.read("subscription") { session in
            (try session.app(id), try session.webhookSubscription(of: id))
        }
        guard let row = found.0 else { throw Problem(.notFound, "There is no app \(id).") }
        return (row, found.1)
    }

    /// The same of an app for which something can be ordered.
    fileprivate func subscription() async throws -> (AppRow, WebhookSubscriptionRow?) {
        let found = try await appAndSubscription()
        try checkOrders(found.0)
        return found
    }

    private func checkOrders(_ row: AppRow) throws(Problem) {
        guard let subscribing = app.hooks.subscribing else {
            throw Problem(.notSetUp, "This node seals no secrets: PATCHBAY_ENCRYPTION_KEYS is not set.")
        }
        guard subscribing.platforms[row.id] != nil else {
            throw Problem(
                .notSetUp,
                "\(row.provider) takes no orders for webhooks by API, or not for this app: a key in the settings "
                    + "belongs to the app of the settings. What to paste instead: /docs/providers/\(row.provider)")
        }
    }

    fileprivate func wanted(_ row: AppRow) throws(Problem) -> WantedSubscription {
        try checkOrders(row)
        do throws(Subscribing.Refusal) {
            guard let subscribing = app.hooks.subscribing else { throw Subscribing.Refusal("Nothing can be sealed.") }
            return try subscribing.wanted(row)
        } catch { throw Problem(.notSetUp, error.sentence) }
    }

    fileprivate func plan(_ row: AppRow, known: String?) async throws -> SubscriptionPlan? {
        do { return try await app.hooks.subscribing?.plan(row, known: known) } catch CallProblem.failed(let failure) {
            throw Problem(.providerUnavailable, failure.message)
        } catch CallProblem.held(let hold) {
            throw Problem(.quotaReached, hold.reason)
        }
    }

    fileprivate func begin(
        _ row: AppRow, _ wanted: WantedSubscription?, _ act: String, repairs: Bool,
        _ change: @escaping @Sendable (Session) throws -> Void
    ) async throws -> Answer {
        let (job, auditID) = (app.ids.make(JobKind.self), app.ids.make(AuditKind.self))
        return try await once("subscription") { session in
            try change(session)
            try session.enqueue([SubscriptionWorker.job(job, row.id, repairs: repairs, at: now)])
            try session.audit(
                NewAudit(auditID, "app.\(act)", row.id.text, by: self, detail: ["provider": .string(row.provider)]))
            let view = SubscriptionView(app: row, row: try session.webhookSubscription(of: row.id), wanted: wanted)
            return Answer.json(202, view).with("Location", "/v1/apps/\(row.id)/subscription")
        }
    }
}

struct SubscriptionView: View {
    let app: AppRow
    let row: WebhookSubscriptionRow?
    var wanted: WantedSubscription?
    var plan: SubscriptionPlan?
    /// Why nothing can be ordered.
    var refusal: String?

    static let schema = Schema.named(
        "WebhookSubscription",
        .object([
            .required("app_id", .id(AppKind.self), "Whose it is."),
            .required("provider", .text(), "The platform."),
            .required(
                "state", .words(["none"] + WebhookSubscriptionRow.State.allCases.map(\.rawValue)),
                "`none`: nothing is ordered. `differs`: it is not as wanted. `failed`: see `problem`."),
            .required("url", Schema.text().orNull, "The address that the platform is to send to."),
            .required("remote_id", Schema.text().orNull, "What the platform calls it."),
            .required("events", .array(of: .text()), "The types that are wanted."),
            .required("api_version", Schema.text().orNull, "In which the events are to come."),
            .required(
                "differences", .array(of: .words(SubscriptionAspect.allCases.map(\.rawValue))),
                "In what it was not as wanted when it was looked at last; with `dry_run`, now."),
            .required(
                "duplicates", .array(of: .text()),
                "Others at the platform, not made here, that send to the same address: each event comes once more."),
            .required(
                "would",
                .array(
                    of: .object([
                        .required("act", .text(), "`register`, `change`, `replace`, `remove`."),
                        .required("remote_id", Schema.text().orNull, "Of what stands at the platform."),
                    ])), "With `dry_run`: what would be done, in this order. Else empty."),
            .required(
                "problem", Schema.text().orNull,
                "Why the platform refuses, or why nothing can be ordered, and what to do."),
            .required("registered_at", Schema.time.orNull, "When it was made."),
            .required("checked_at", Schema.time.orNull, "When it was looked at last."),
        ]))

    func write(to writer: inout JSONWriter) {
        let differences = plan?.differences.map(\.rawValue) ?? row?.differences ?? []
        writer.object { writer in
            writer.member("app_id", JSON(app.id))
            writer.member("provider", .string(app.provider))
            writer.member("state", .string(row?.state.rawValue ?? "none"))
            writer.member("url", JSON(wanted?.url ?? row?.url))
            writer.member("remote_id", JSON(row?.remoteID))
            writer.member("events", .array((wanted?.events ?? []).map(JSON.string)))
            writer.member("api_version", JSON(wanted?.version))
            writer.member("differences", .array(differences.map(JSON.string)))
            writer.member("duplicates", .array((plan?.duplicates ?? row?.duplicates ?? []).map(JSON.string)))
            writer.member(
                "would",
                .array(
                    (plan?.steps ?? []).map { step -> JSON in
                        ["act": .string(step.word), "remote_id": JSON(step.id)]
                    }))
            writer.member("problem", JSON(row?.problem ?? refusal))
            writer.member("registered_at", JSON(row?.registeredAt))
            writer.member("checked_at", JSON(row?.checkedAt))
        }
    }
}
