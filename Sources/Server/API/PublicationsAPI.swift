import Engine
import Kit
import Store

/// Publications: content sent to one or more accounts, each with its own course.
enum PublicationsAPI {
    static let path = [Parameter.id(PublicationKind.self)]

    private static let target = Schema.object([
        .required("connection_id", .id(ConnectionKind.self), "The account."),
        .optional("options", .map(of: .anything, most: 30), "What the platform offers besides; docs: its page."),
    ])
    private static let content = Schema.object([
        .optional("title", Schema.lines(0...1000).orNull, "Where the platform has one."),
        .optional("text", Schema.lines(0...20_000).orNull, "The words that go with it."),
    ])
    private static let medium = Schema.object([
        .optional("object_id", .id(ObjectKind.self), "A file that was uploaded here."),
        .optional("url", .line(1...2000), "An address that the platform fetches from."),
    ])

    static let create = Action(
        "createPublication", "Publish",
        notes: "Checked against every platform's rules before anything is sent; each fault names the rule, what is "
            + "there and what to do. What is accepted goes on by itself: each target has its own state.",
        .needs(.write, "publications"),
        body: .named(
            "PublicationRequest",
            .object([
                .required("targets", .array(of: target, 1...Publishing.targetsMax), "The accounts."),
                .optional("content", content, "The words."),
                .optional("media", .array(of: medium, 0...50), "Files and addresses, in order."),
                .optional("publish_at", Schema.time.orNull, "When; at once unless said. A year ahead at most."),
            ])
        ).example([
            "targets": [
                [
                    "connection_id": "conn_01kb2c3d4e5f6g7h8j9k0m1n2p",
                    "options": ["privacy_level": "PUBLIC_TO_EVERYONE", "allow_comments": true],
                ]
            ],
            "content": ["text": "Rye is back #bread"], "media": [["object_id": "obj_01kb2c3d4e5f6g7h8j9k0m1n2p"]],
        ]),
        isIdempotent: true, answers: [.accepted("It goes on by itself.", PublicationView.schema)],
        problems: [.notSetUp]
    ) { request in
        let hooks = try request.publishing
        let (reading, wishes, publishAt) = try await request.checkedPublication()
        let now = request.now
        let (actor, auditID) = (request.caller.id, request.app.ids.make(AuditKind.self))
        let accepted = try hooks.publishing.accept(
            wishes, content: reading.content, media: reading.media, publishAt: publishAt, by: actor, at: now)
        return try await request.once("create_publication") { session in
            try accepted.keep(in: session, at: now)
            try session.audit(
                NewAudit(
                    auditID, "publication.created", accepted.publication.id.text, by: request,
                    detail: ["targets": JSON(wishes.count)]))
            return try .publication(accepted.publication, in: session, status: 202)
                .with("Location", "/v1/publications/\(accepted.publication.id)")
        }
    }

    static let list = Action(
        "listPublications", "List publications", .needs(.read, "publications"),
        query: Paging.parameters + Paging.times + [
            Parameter("state", .words(PublicationView.states), "With a target in this state."),
            Parameter("connection_id", .id(ConnectionKind.self), "To one account."),
            Parameter("provider", .slug(), "To one platform."),
            Parameter("user_id", .line(1...256), "For one user."),
        ],
        answers: [.list(of: PublicationView.schema)], problems: [.invalidCursor]
    ) { request in
        var filter = PublicationFilter()
        filter.state = request.queryText("state")
        filter.connection = request.queryText("connection_id")
        filter.provider = request.queryText("provider")
        filter.userID = request.queryText("user_id")
        let page = try request.page()
        let views = try await request.app.database.read("publications") { [filter] session in
            try session.views(of: try session.publications(filter, page))
        }
        return request.list(views, page, id: \.row.id.text) { $0 }
    }

    static let get = Action(
        "getPublication", "Get a publication", .needs(.read, "publications"), path: path, isConditional: true,
        answers: [.ok("The publication.", PublicationView.schema)], problems: [.notFound]
    ) { request in
        let id = request.pathID(PublicationKind.self)
        let answer = try await request.app.database.read("publication") { session -> (Answer, Int64)? in
            try session.publication(id).map { (try .publication($0, in: session), $0.version) }
        }
        guard let (answer, version) = answer else { throw Problem(.notFound, "There is no publication \(id).") }
        try request.checkVersion(version)
        return answer
    }

    static let update = Action(
        "updatePublication", "Change a scheduled publication",
        notes: "Only while nothing of it has begun. What is left out stays as it is; `publish_at: null` begins it.",
        .needs(.write, "publications"), path: path,
        body: .named(
            "PublicationChange",
            .object([
                .optional("content", content, "The words."),
                .optional("media", .array(of: medium, 0...50), "Files and addresses."),
                .optional("publish_at", Schema.time.orNull, "When."),
                .optional(
                    "targets",
                    .array(
                        of: .object([
                            .required("target_id", .id(TargetKind.self), "Which."),
                            .required("options", .map(of: .anything, most: 30), "All its options."),
                        ]), 1...Publishing.targetsMax), "Options of targets."),
            ])
        ).example(["publish_at": "2026-12-01T09:00:00Z"]),
        isConditional: true, answers: [.ok("The publication.", PublicationView.schema)],
        problems: [.notFound, .wrongState, .notSetUp]
    ) { request in
        let change = try await PublicationChanging(request)
        return try await change.perform()
    }

    static let cancel = Action(
        "cancelPublication", "Cancel a publication",
        notes: "Targets of which nothing irreversible has left are `cancelled`: once this is answered, nothing of them "
            + "is published. What a platform works on already it is asked to give up, where it offers that: such a "
            + "target becomes `cancelled` when the platform has done so, or goes on and says that it was too late. 409 "
            + "where it is too late for all.",
        .needs(.write, "publications"), path: path,
        body: .named(
            "PublicationCancellation",
            .object([
                .optional(
                    "target_ids", .array(of: .id(TargetKind.self), 1...Publishing.targetsMax), "All unless said.")
            ])
        ).example(["target_ids": ["tgt_01kb2c3d4e5f6g7h8j9k0m1n2p"]]),
        isIdempotent: true, answers: [.ok("How it stands now.", PublicationView.schema)],
        problems: [.notFound, .wrongState]
    ) { request in
        let (id, now) = (request.pathID(PublicationKind.self), request.now)
        let wanted = request.body["target_ids"]?.elements?.compactMap(\.text)
        let news = PublicationNews(request.app.ids, most: Publishing.targetsMax)
        let auditID = request.app.ids.make(AuditKind.self)
        return try await request.once("cancel_publication") { session in
            guard try session.holdPublication(id) != nil else {
                throw Problem(.notFound, "There is no publication \(id).")
            }
            let targets = try session.targets(of: [id]).filter { wanted?.contains($0.id.text) ?? true }
            let (cancelled, asked, late) = try Publishing.cancel(targets, news, in: session, at: now)
            guard cancelled + asked > 0 else {
                throw Problem(
                    .wrongState,
                    late > 0
                        ? "It is too late: it has been handed over already, and the platform does not give it back."
                        : "Nothing of it waits any more.")
            }
            try session.touch(id, at: now)
            try session.audit(
                NewAudit(
                    auditID, "publication.cancelled", id.text, by: request,
                    detail: ["targets": JSON(cancelled), "asked": JSON(asked)]))
            guard let row = try session.publication(id) else { throw StoreError.conflict }
            return try .publication(row, in: session)
        }
    }

    static let decide = Action(
        "decidePublication", "Decide what nobody knows",
        notes: "For a target that is `unknown`: `it_is_there` counts it as published, `send_again` sends it once more. "
            + "The same as deciding its review.",
        .needs(.write, "publications"), path: path,
        body: .named(
            "PublicationDecision",
            .object([
                .required("decision", .words(["it_is_there", "send_again"]), "What somebody has found out."),
                .optional("target_id", .id(TargetKind.self), "Which, where several are unknown."),
                .optional("post_id", Schema.line(1...64).orNull, "The platform's own id of the post."),
                .optional("note", Schema.lines(0...2000).orNull, "Why; for those who look later."),
            ])
        ).example(["decision": "it_is_there"]),
        isIdempotent: true, answers: [.ok("How it stands now.", PublicationView.schema)],
        problems: [.notFound, .wrongState]
    ) { request in
        let id = request.pathID(PublicationKind.self)
        let review = try await request.openReview(of: id)
        let deciding = DecidingReview(deciders: request.app.hooks.deciders, ids: request.app.ids)
        let post = request.body["post_id"]?.text
        let decision = Decision(
            review: review.id, choice: request.body["decision"]?.text ?? "", note: request.body["note"]?.text,
            input: post.map { ["post_id": .string($0)] } ?? .null, actor: request.caller.id, at: request.now)
        let act = try await deciding.act(decision, on: review)
        let now = request.now
        return try await request.once("decide_publication") { session in
            try act(session)
            try session.touch(id, at: now)
            guard let row = try session.publication(id) else { throw StoreError.conflict }
            return try .publication(row, in: session)
        }
    }

    static let posting = Action(
        "getPosting", "What may be published to a connection",
        notes:
            "The options that the platform has, and what the account's owner may choose of them now: the platform is "
            + "asked.",
        .needs(.read, "publications"), path: ConnectionsAPI.path,
        answers: [.ok("The options.", PostingView.schema)],
        problems: [
            .notFound, .wrongState, .needsReconnect, .providerUnavailable, .quotaReached, .notSetUp,
        ]
    ) { request in
        let (hooks, id) = (try request.publishing, request.pathID(ConnectionKind.self))
        guard let row = try await request.app.database.read("connection", { try $0.connection(id) }),
            row.deletedAt == nil, let publisher = hooks.publishing.publisher(row.provider)
        else { throw Problem(.notFound, "There is no connection \(id) at which something can be published.") }
        do {
            let choices = try await hooks.publishing.choices(of: row, by: hooks.caller)
            return .json(200, PostingView(options: publisher.postOptions, choices: choices))
        } catch let problem as CallProblem {
            throw problem.problem(at: request.now)
        }
    }
}

extension APIRequest {
    var publishing: PublishingHooks {
        get throws(Problem) {
            guard let hooks = app.hooks.publishing else {
                throw Problem(.notSetUp, "Publishing needs PATCHBAY_ENCRYPTION_KEYS. Make one with: patchbay vault key")
            }
            return hooks
        }
    }

    /// Nil for what has come already.
    func publishAt(_ json: JSON?) throws(Problem) -> Timestamp? {
        guard let moment = json?.text.flatMap(Timestamp.init(rfc3339:)) else { return nil }
        guard moment > now - .hours(1) else {
            throw Problem(.invalidFields, [FieldProblem("publish_at", "is past. Leave it out to publish at once.")])
        }
        guard moment < now + .days(366) else {
            throw Problem(.invalidFields, [FieldProblem("publish_at", "is more than a year ahead.")])
        }
        return moment > now ? moment : nil
    }

    /// What `createPublication` would keep.
    ///
    /// - Throws: `Problem` that names every fault at once.
    func checkedPublication() async throws -> (PublicationReading, [Publishing.Wish], Timestamp?) {
        let reading = PublicationReading(
            publishing: try publishing.publishing, content: body["content"] ?? .object([]),
            media: body["media"] ?? .array([]))
        let time = Result { () throws(Problem) in try publishAt(body["publish_at"]) }
        do {
            let wishes = try await wishes(reading)
            return (reading, wishes, try time.get())
        } catch let problem as Problem where problem.type == .invalidFields {
            guard case .failure(let late) = time, late.fields != problem.fields else { throw problem }
            throw Problem(.invalidFields, problem.fields + late.fields)
        }
    }

    private func wishes(_ reading: PublicationReading) async throws -> [Publishing.Wish] {
        let wanted = (body["targets"]?.elements ?? []).map {
            ($0["connection_id"]?.text ?? "", $0["options"] ?? .object([]))
        }
        guard Set(wanted.map(\.0)).count == wanted.count else {
            throw Problem(.invalidFields, [FieldProblem("targets", "names a connection twice.")])
        }
        return try await app.database.read("publication_wishes") { session in
            try reading.wishes(
                try wanted.enumerated().map { index, target in
                    PublicationReading.Wanted(
                        connection: try session.connection(ID(stored: target.0)), options: target.1,
                        field: "targets[\(index)]")
                }, session)
        }
    }

    fileprivate func openReview(of id: ID<PublicationKind>) async throws -> Review {
        let wanted = body["target_id"]?.text
        let (exists, unknown) = try await app.database.read("unknown_targets") { session in
            let unknown = try session.targets(of: [id]).filter {
                $0.state == .unknown && (wanted == nil || $0.id.text == wanted)
            }
            return (
                try session.publication(id) != nil,
                try unknown.compactMap {
                    try session.openReview(kind: PublicationWorker.review, subject: $0.id.text)
                }
            )
        }
        guard exists else { throw Problem(.notFound, "There is no publication \(id).") }
        guard let review = unknown.first else { throw Problem(.wrongState, "Nothing of it is unknown.") }
        guard unknown.count == 1 else {
            throw Problem(.invalidFields, [FieldProblem("target_id", "must say which: several are unknown.")])
        }
        return review
    }
}

extension Answer {
    static func publication(_ row: PublicationRow, in session: Session, status: Int = 200) throws -> Answer {
        guard let view = try session.views(of: [row]).first else { throw StoreError.damaged("a publication") }
        return Answer.json(status, view).with("ETag", "\"\(row.version)\"")
    }
}

/// What may be published to an account.
struct PostingView: View {
    let options: [PostOption]
    let choices: PostChoices?

    static let schema = Schema.named(
        "Posting",
        .object([
            .required("account", Schema.text().orNull, "As the platform calls it."),
            .required("longest_ms", Schema.integer().orNull, "Of a video."),
            .required(
                "options",
                .array(
                    of: .object([
                        .required("name", .text(), "In a target's `options`."),
                        .required("what", .text(), "What it does."),
                        .required("choices", Schema.array(of: .text()).orNull, "What may be chosen now."),
                        .required("is_settled", .boolean, "Whether the account's owner has it off."),
                    ])), "In the order in which they are asked for."),
        ]))

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("account", JSON(choices?.account))
            writer.member("longest_ms", JSON(choices?.longest.map { $0.microseconds / 1000 }))
            writer.key("options")
            writer.array { writer in
                for option in options {
                    writer.object { writer in
                        writer.member("name", .string(option.name))
                        writer.member("what", .string(option.what))
                        var words: [String]?
                        if case .words(let all) = option.kind { words = choices?.words[option.name] ?? all }
                        writer.member("choices", words.map { .array($0.map(JSON.string)) } ?? .null)
                        writer.member("is_settled", .bool(choices?.settled[option.name] != nil))
                    }
                }
            }
        }
    }
}
