import Engine
import Kit
import Store

/// Users: the application's own, by the application's ids.
enum UsersAPI {
    static let path = [Parameter("id", .line(1...256).example("user-42"), "The application's own id.")]

    static let list = Action(
        "listUsers", "List users", notes: "In the order of their ids.", .needs(.read, "users"),
        query: [
            Paging.parameters[0], Paging.parameters[1],
            Parameter("order", .words(["asc", "desc"]), "By id: `desc` unless said."),
        ] + Paging.times + [
            Parameter("email", .line(), "With this address."),
            Parameter("subscription_status", .line(1...64), "With this status, in the platform's own word."),
            Parameter("metadata.{key}", .line(0...500), "With this member of `metadata`."),
        ],
        answers: [.list(of: UserView.schema)], problems: [.invalidCursor]
    ) { request in
        var filter = UserFilter()
        filter.email = request.queryText("email")
        filter.subscriptionStatus = request.queryText("subscription_status")
        for (name, value) in request.query where name.hasPrefix("metadata.") {
            filter.metadata[String(name.dropFirst("metadata.".count))] = value.text
        }
        let page = try request.page()
        let views = try await request.app.database.read("users") { [filter] session in
            try session.users(filter, page).map { UserView(user: $0, customers: try session.customers(of: $0.id)) }
        }
        return request.list(views, page, id: \.user.id) { $0 }
    }

    static let get = Action(
        "getUser", "Get a user", .needs(.read, "users"), path: path, isConditional: true,
        answers: [.ok("The user.", UserView.schema)], problems: [.notFound]
    ) { request in
        let id = request.pathText()
        let view = try await request.app.database.read("user") { session in
            try session.user(id).map { UserView(user: $0, customers: try session.customers(of: id)) }
        }
        guard let view else { throw Problem(.notFound, "There is no such user.") }
        try request.checkVersion(view.user.version)
        return .json(200, view).with("ETag", "\"\(view.user.version)\"")
    }

    static let put = Action(
        "putUser", "Make or change a user",
        notes: "Members that are left out stay as they are; null clears. A customer that is named here belongs to this "
            + "user from now on: what waited for it is applied.",
        .needs(.write, "users"), path: path,
        body: .named(
            "UserRequest",
            .object([
                .optional("email", Schema.line(1...256).orNull, "The user's address."),
                .optional("display_name", Schema.line(1...256).orNull, "What the user is called."),
                .optional(
                    "stripe_customer_id", Schema.line(1...256).orNull, "The platform's customer that this user is."),
                .optional(
                    "metadata", .map(of: .lines(0...500), most: UserMetadata.membersMax),
                    "The application's own words; replaces what was there."),
            ])
        ).example(["email": "rye@example.com", "stripe_customer_id": "cus_9s6XKzkNRiz8i3"]),
        isConditional: true,
        answers: [
            .ok("The user.", UserView.schema),
            AnswerDescription(
                status: 201, what: "The new user.", contentType: "application/json", schema: UserView.schema,
                headers: ["Location"]),
        ], problems: [.wrongState]
    ) { request in
        let (edit, expected, now, actor) = (
            try request.userEdit(), try request.expectedVersion, request.now, request.caller.id
        )
        let (ids, auditID) = (ReadyIDs(request.app.ids, changes: 64), request.app.ids.make(AuditKind.self))
        let jobs = EventReleasing.ReadyJobs(request.app.ids)
        let (view, isNew) = try await request.app.database.write("put_user") { session in
            try request.check(expected, against: try session.user(edit.id)?.version)
            var ids = ids
            let (user, isNew, linked) = try session.upsertUser(edit, by: actor, ids: &ids, at: now)
            try EventReleasing.enqueue(linked, jobs, in: session, at: now)
            try session.audit(
                NewAudit(
                    auditID, isNew ? "user.created" : "user.changed", nil, by: request,
                    detail: ["user": .string(UserDigest.of(edit.id))]))
            return (UserView(user: user, customers: try session.customers(of: user.id)), isNew)
        }
        request.app.hooks.jobsArrived()
        request.app.hooks.changesWritten()
        let answer = Answer.json(isNew ? 201 : 200, view).with("ETag", "\"\(view.user.version)\"")
        return isNew ? answer.with("Location", "/v1/users/\(PercentEncoding.encode(edit.id))") : answer
    }
}

extension APIRequest {
    /// What the body says, with one problem a field.
    fileprivate func userEdit() throws(Problem) -> UserEdit {
        var edit = UserEdit(id: pathText())
        guard OutsideID.passes(edit.id) else {
            throw Problem(.notFound, "An id has at most \(OutsideID.bytesMax) bytes.")
        }
        edit.email = Edit(body["email"]).map { Personal($0) }
        edit.displayName = Edit(body["display_name"]).map { Personal($0) }
        let customer = Edit(body["stripe_customer_id"])
        if case .set(let id) = customer, !OutsideID.passes(id) {
            throw Problem(
                .invalidFields, [FieldProblem("stripe_customer_id", "has more than \(OutsideID.bytesMax) bytes.")])
        }
        edit.customers = [("stripe", customer)]
        guard let metadata = body["metadata"] else { return edit }
        do { edit.metadata = .set(try UserMetadata(metadata)) } catch {
            throw Problem(.invalidFields, [FieldProblem("metadata", error.reason)])
        }
        return edit
    }

    fileprivate func check(_ expected: Int64?, against version: Int64?) throws(Problem) {
        guard let expected, expected != version else { return }
        throw Problem(.preconditionFailed, version.map { "It is at version \($0) now." } ?? "There is no such user.")
    }
}

extension Edit<String> {
    /// Absent, null, or a text.
    fileprivate init(_ json: JSON?) {
        guard let json else { self = .leave; return }
        self = json.text.map { .set($0) } ?? .clear
    }
    fileprivate func map<New: Sendable>(_ make: (String) -> New) -> Edit<New> {
        switch self {
        case .leave: .leave
        case .clear: .clear
        case .set(let text): .set(make(text))
        }
    }
}

struct UserView: View {
    let user: UserRow
    let customers: [(name: CustomerName, source: LinkSource)]

    static let schema = Schema.named(
        "User",
        .object([
            .required("id", .text(), "The application's own id."),
            .required("email", Schema.text().orNull, "The user's address."),
            .required("display_name", Schema.text().orNull, "What the user is called."),
            .required("metadata", .map(of: .text(), most: UserMetadata.membersMax), "The application's own words."),
            .required("stripe_customer_id", Schema.text().orNull, "The platform's customer that this user is."),
            .required(
                "customers",
                .array(
                    of: .object([
                        .required("provider", .text(), "The platform."),
                        .required("customer", .text(), "Its id of the customer."),
                        .required("source", .words(["application", "review", "event"]), "Who said so."),
                    ])), "All customers that this user is."),
            .required(
                "subscription_status", Schema.text().orNull,
                "In the platform's own word, of the subscription with the best standing."),
            .required("subscription_plan", Schema.text().orNull, "Its plan."),
            .required("current_period_end", Schema.time.orNull, "Until when it is paid."),
            .required("cancel_at_period_end", .boolean, "Whether it ends then."),
            .required("payment_method", Schema.text().orNull, "The platform's id of the payment method."),
            .required("version", .integer(), "Rises with every change; for If-Match."),
            .required("created_at", .time, "When it was heard of first."),
            .required("updated_at", .time, "When it changed last."),
        ]))

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", .string(user.id))
            writer.member("email", JSON(user.email?.reveal { $0 }))
            writer.member("display_name", JSON(user.displayName?.reveal { $0 }))
            writer.outside("metadata", Array(user.metadata.utf8))
            writer.member("stripe_customer_id", JSON(customers.first { $0.name.provider == "stripe" }?.name.customer))
            writer.key("customers")
            writer.array { writer in
                for customer in customers {
                    writer.value([
                        "provider": .string(customer.name.provider), "customer": .string(customer.name.customer),
                        "source": .string(customer.source.rawValue),
                    ])
                }
            }
            writer.member("subscription_status", JSON(user.summary.status))
            writer.member("subscription_plan", JSON(user.summary.plan))
            writer.member("current_period_end", JSON(user.summary.currentPeriodEnd))
            writer.member("cancel_at_period_end", .bool(user.summary.cancelAtPeriodEnd))
            writer.member("payment_method", JSON(user.summary.paymentMethod))
            writer.member("version", JSON(user.version))
            writer.member("created_at", JSON(user.firstSeenAt))
            writer.member("updated_at", JSON(user.updatedAt))
        }
    }
}
