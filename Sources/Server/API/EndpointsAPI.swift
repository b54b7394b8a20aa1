import Engine
import Kit
import Logging
import Store

/// Endpoints: addresses of the application that receive what happens here, signed.
enum EndpointsAPI {
    static let list = Action(
        "listEndpoints", "List endpoints", .needs(.read, "endpoints"),
        query: Paging.parameters + Paging.times + [Parameter("state", .words(EndpointView.states), "In this state.")],
        answers: [.list(of: EndpointView.schema)], problems: [.invalidCursor]
    ) { request in
        let (state, page) = (request.queryText("state"), try request.page())
        let rows = try await request.app.database.read("endpoints") { try $0.endpoints(state: state, page) }
        return request.list(rows, page, id: \.id.text) { EndpointView(endpoint: $0) }
    }

    static let get = Action(
        "getEndpoint", "Get an endpoint", .needs(.read, "endpoints"), path: [.id(EndpointKind.self)],
        isConditional: true,
        answers: [.ok("The endpoint.", EndpointView.schema)], problems: [.notFound]
    ) { request in
        let id = request.pathID(EndpointKind.self)
        guard let endpoint = try await request.app.database.read("endpoint", { try $0.endpoint(id) }) else {
            throw Problem(.notFound, "There is no endpoint \(id).")
        }
        try request.checkVersion(endpoint.version)
        return .endpoint(endpoint)
    }

    private static let fields: [Property] = [
        .optional("description", Schema.line(0...256).orNull, "For people."),
        .optional(
            "types",
            .array(
                of: .form(
                    1...128, pattern: "^(\\*|[a-z0-9_]+(\\.[a-z0-9_]+)*(\\.\\*)?)$", "payment.failed, payment.* or *"
                ) {
                    EventPatterns.problem(with: [$0]) == nil
                }, 0...100), "What it is sent: `payment.failed`, `payment.*`, `*`; everything unless said."),
    ]
    private static let url = Schema.form(
        8...2048, pattern: "^https?://[!-~]+$", format: "uri", "an address that begins with https://"
    ) { _ in true }
    private static let ordered = Property.optional(
        "ordered_by", .words(Endpoint.Order.allCases.map(\.rawValue)),
        "Within what order is kept: a failing event holds back its own `user` or `connection` only.")

    static let create = Action(
        "createEndpoint", "Make an endpoint",
        notes:
            "It is sent what happens from now on. The secret is shown once: Standard Webhooks libraries take it.",
        .needs(.write, "endpoints"),
        body: .named(
            "EndpointRequest",
            .object(
                [.required("url", url, "Where to; https outside of development.")] + fields + [
                    ordered,
                    .optional(
                        "signed_by", .words(Endpoint.Signing.allCases.map(\.rawValue)),
                        "`hmac` with a shared secret, unless said, or `ed25519` with a key pair."),
                ])
        ).example(["url": "https://app.example.com/hooks", "types": ["user.*"]]),
        isIdempotent: true, answers: [.created("The endpoint, with its secret.", EndpointView.schema)],
        problems: [.alreadyShown]
    ) { request in
        let made = try await request.app.endpoints { endpoints in
            try endpoints.prepare(
                url: request.body["url"]?.text ?? "", description: request.body["description"]?.text,
                types: request.types ?? [], orderedBy: request.word("ordered_by") ?? .none,
                signedBy: request.word("signed_by") ?? .hmac)
        }
        let auditID = request.app.ids.make(AuditKind.self)
        let answer = try await request.once("create_endpoint") { session in
            let endpoint = try session.insert(made.new)
            try session.audit(NewAudit(auditID, "endpoint.created", endpoint.id.text, by: request))
            return .endpoint(endpoint, made.secret, status: 201)
        }
        request.app.hooks.endpointsChanged()
        return answer
    }

    static let update = Action(
        "updateEndpoint", "Change an endpoint", notes: "`state: active` starts a disabled one where it stopped.",
        .needs(.write, "endpoints"), path: [.id(EndpointKind.self)],
        body: .named(
            "EndpointChange",
            .object(
                [.optional("url", url, "Where to.")] + fields + [
                    ordered, .optional("state", .words(["active", "disabled"]), "Start or stop it."),
                ])
        ).example(["types": ["user.*", "payment.failed"]]),
        isConditional: true, answers: [.ok("The endpoint.", EndpointView.schema)], problems: [.notFound]
    ) { request in
        let (id, now, auditID) = (request.pathID(EndpointKind.self), request.now, request.app.ids.make(AuditKind.self))
        let patch = request.patch
        try await request.app.endpoints { try $0.check(patch) }
        let version = try request.expectedVersion
        let endpoint = try await request.app.database.write("update_endpoint") { session in
            let endpoint = try session.update(id, patch, ifVersion: version, at: now)
            try session.audit(NewAudit(auditID, "endpoint.changed", id.text, by: request))
            guard let endpoint else { throw Problem(.notFound, "There is no endpoint \(id).") }
            return endpoint
        }
        request.app.hooks.endpointsChanged()
        return .endpoint(endpoint)
    }

    static let delete = Action(
        "deleteEndpoint", "Delete an endpoint", notes: "With its secrets. Nothing more is sent to it.",
        .needs(.write, "endpoints"), path: [.id(EndpointKind.self)], answers: [.noContent], problems: [.notFound]
    ) { request in
        let (id, auditID) = (request.pathID(EndpointKind.self), request.app.ids.make(AuditKind.self))
        try await request.app.database.write("delete_endpoint") { session in
            guard try session.deleteEndpoint(id) else { throw Problem(.notFound, "There is no endpoint \(id).") }
            try session.audit(NewAudit(auditID, "endpoint.deleted", id.text, by: request))
        }
        request.app.hooks.endpointsChanged()
        return .noContent
    }

    static let rotate = Action(
        "rotateEndpointSecret", "Replace an endpoint's secret",
        notes: "The new one signs at once; the old one signs beside it for a day, so that receivers can follow.",
        .needs(.write, "endpoints"), path: [.id(EndpointKind.self)], isIdempotent: true,
        answers: [.ok("The endpoint, with its new secret.", EndpointView.schema)], problems: [.notFound, .alreadyShown]
    ) { request in
        let (id, now, auditID) = (request.pathID(EndpointKind.self), request.now, request.app.ids.make(AuditKind.self))
        guard let old = try await request.app.database.read("endpoint", { try $0.endpoint(id) }) else {
            throw Problem(.notFound, "There is no endpoint \(id).")
        }
        let (kept, shown) = try await request.app.endpoints { try $0.newSecret(for: id, old.signedBy) }
        let answer = try await request.once("rotate_endpoint_secret") { session in
            guard let endpoint = try session.rotate(to: kept, othersUntil: now + Endpoints.grace) else {
                throw Problem(.notFound, "There is no endpoint \(id).")
            }
            try session.audit(NewAudit(auditID, "endpoint.secret_rotated", id.text, by: request))
            return .endpoint(endpoint, shown)
        }
        request.app.hooks.endpointsChanged()
        return answer
    }
}

/// What is done with an endpoint besides its settings: sending again, testing, looking.
enum AttemptsAPI {
    static let list = Action(
        "listAttempts", "List an endpoint's attempts", .needs(.read, "endpoints"), path: [.id(EndpointKind.self)],
        query: Paging.parameters + Paging.times + [
            Parameter("outcome", .words(Attempt.Outcome.allCases.map(\.rawValue)), "With this outcome."),
            Parameter("change_id", .id(ChangeKind.self), "Of one change."),
        ],
        answers: [.list(of: AttemptView.schema)], problems: [.invalidCursor]
    ) { request in
        let (id, page, now) = (request.pathID(EndpointKind.self), try request.page(), request.now)
        let (outcome, change) = (request.queryText("outcome"), request.queryText("change_id"))
        let rows = try await request.app.database.read("attempts") { session in
            guard try session.endpoint(id) != nil else { throw Problem(.notFound, "There is no endpoint \(id).") }
            return try session.attempts(
                at: id, outcome: outcome, change: change, session.upToHead(page, at: now))
        }
        return request.list(rows, page, id: \.id.text) { AttemptView(attempt: $0) }
    }

    static let recover = Action(
        "recoverEndpoint", "Send again",
        notes:
            "`failed_since`: what was tried since then and never delivered. `missing_since`: everything since that "
            + "it should have got and did not. `all_since`: everything since, delivered or not; the ids stay, so a "
            + "receiver that knows them counts nothing twice. `change_id`: that one change, delivered or not. With "
            + "`dry_run` it only counts. Where more than 5,000 changes are to be looked through, a job of kind "
            + "`endpoint.recover` goes on: 202.",
        .needs(.write, "endpoints"), path: [.id(EndpointKind.self)],
        body: .named(
            "RecoveryRequest",
            .object([
                .optional("failed_since", .time, "One of the four."),
                .optional("missing_since", .time, "One of the four."),
                .optional("all_since", .time, "One of the four."),
                .optional("change_id", .id(ChangeKind.self), "One of the four, alone."),
                .optional("until", .time, "Only what was made before (with failed_since: what failed before)."),
                .optional("per_second", .integer(1...Pace.perSecondMax), "So many a second; all at once unless said."),
                .optional("dry_run", .boolean, "Only say how many would be sent."),
            ])
        ).example(["failed_since": "2026-11-28T10:00:00Z"]),
        isIdempotent: true,
        answers: [.ok("All is queued.", RecoveredView.schema), .accepted("A job goes on.", RecoveredView.schema)],
        problems: [.notFound]
    ) { request in
        let (id, now, jobID) = (request.pathID(EndpointKind.self), request.now, request.app.ids.make(JobKind.self))
        if request.body["dry_run"]?.boolean == true { return try await rehearsed(request) }
        if let stored = try await request.storedAnswer() { return stored }
        let (queued, job) = try await request.app.recover(request.body, at: id, job: jobID, now)
        return try await request.once("recover_endpoint") { session in
            if let job { try session.enqueue([job]) }
            let answer = Answer.json(job == nil ? 200 : 202, RecoveredView(queued: queued, job: job?.id))
            return job.map { answer.with("Location", "/v1/jobs/\($0.id)") } ?? answer
        }
    }

    private static func rehearsed(_ request: APIRequest) async throws -> Answer {
        let (id, recovery) = (request.pathID(EndpointKind.self), Endpoints.Recovery(request.body, at: request.now))
        guard let recovery else {
            throw Problem(
                .invalidFields, [FieldProblem("dry_run", "goes with failed_since, missing_since or all_since.")])
        }
        let count = try await request.app.database.read("endpoint_plan") { session in
            guard let endpoint = try session.endpoint(id) else {
                throw Problem(.notFound, "There is no endpoint \(id).")
            }
            return try Endpoints.count(recovery, at: endpoint, atMost: ReplayAPI.countMax, in: session)
        }
        return .json(
            200, RecoveredView(queued: 0, job: nil, matches: count.isMore ? ReplayAPI.countMax + 1 : count.count))
    }

    /// Of 500 changes each, within the request.
    fileprivate static let stepsMax = 10

    static let test = Action(
        "testEndpoint", "Send a test event", notes: "`endpoint.test`, now and once.", .needs(.write, "endpoints"),
        path: [.id(EndpointKind.self)], answers: [.ok("What came of it.", AttemptView.schema)], problems: [.notFound]
    ) { request in
        let id = request.pathID(EndpointKind.self)
        guard let attempt = try await request.app.endpoints({ try await $0.test(id) }) else {
            throw Problem(.notFound, "There is no endpoint \(id).")
        }
        return .json(200, AttemptView(attempt: attempt))
    }
}

extension App {
    /// Uses the engine's endpoints; what it refuses becomes a problem.
    fileprivate func endpoints<Value>(_ use: (Endpoints) async throws -> Value) async throws -> Value {
        guard let endpoints = hooks.endpoints else {
            throw Problem(.unavailable, "This node sends no webhooks: PATCHBAY_ENCRYPTION_KEYS is not set.")
        }
        do {
            return try await use(endpoints)
        } catch let bad as BadEndpoint {
            throw Problem(.invalidFields, bad.problems.map { FieldProblem($0.name, $0.value) })
        } catch let problem as VaultProblem {
            logger.error("endpoint.secret_not_opened", metadata: ["reason": "\(problem)"])
            throw Problem(
                .unavailable,
                "The endpoint's secret cannot be opened: PATCHBAY_ENCRYPTION_KEYS lacks the key that sealed it.")
        }
    }

    /// How many changes are queued, and the job that goes on where there are too many.
    fileprivate func recover(
        _ body: JSON, at id: ID<EndpointKind>, job: ID<JobKind>, _ now: Timestamp
    ) async throws -> (queued: Int, job: NewJob?) {
        let unknown = Problem(.notFound, "There is no endpoint \(id).")
        if let text = body["change_id"]?.text, body.members?.count == 1 {
            switch try await endpoints({ try await $0.resend(ID(stored: text), to: id) }) {
            case .queued: return (1, nil)
            case .onItsWay: return (0, nil)
            case .unknownEndpoint: throw unknown
            case .unknownChange: throw Problem(.notFound, "There is no change \(text), or it is no longer kept.")
            }
        }
        guard body["change_id"] == nil, let recovery = Endpoints.Recovery(body, at: now) else {
            throw Problem(
                .invalidFields,
                [FieldProblem("body", "must name one of failed_since, missing_since, all_since, or change_id alone.")])
        }
        let some = try await endpoints { try await $0.recoverSome(recovery, at: id, steps: AttemptsAPI.stepsMax) }
        guard let some else { throw unknown }
        return (
            some.queued,
            some.rest.map { RecoveryWorker.job(job, recovery, at: id, after: $0, already: some.queued, at: now) }
        )
    }
}

extension APIRequest {
    fileprivate var types: [String]? { body["types"]?.elements?.compactMap(\.text) }
    fileprivate func word<Word: RawRepresentable<String>>(_ name: String) -> Word? {
        body[name]?.text.flatMap(Word.init(rawValue:))
    }
    fileprivate var patch: EndpointPatch {
        EndpointPatch(
            url: body["url"]?.text, description: body["description"].map { $0.text }, types: types,
            orderedBy: word("ordered_by"), state: word("state"))
    }
}

extension Answer {
    fileprivate static func endpoint(_ endpoint: Endpoint, _ secret: Endpoints.ShownSecret? = nil, status: Int = 200)
        -> Answer
    {
        var answer = Answer.json(status, EndpointView(endpoint: endpoint, secret: secret)).with(
            "ETag", "\"\(endpoint.version)\"")
        if status == 201 { answer = answer.with("Location", "/v1/endpoints/\(endpoint.id)") }
        answer.holdsSecret = secret != nil
        return answer
    }
}

struct EndpointView: View {
    let endpoint: Endpoint
    var secret: Endpoints.ShownSecret?

    static let states = Endpoint.State.allCases.map(\.rawValue)
    static let schema = Schema.named(
        "Endpoint",
        .object([
            .required("id", .id(EndpointKind.self), "Its id."),
            .required("url", .text(), "Where to."),
            .required("description", Schema.text().orNull, "For people."),
            .required("types", .array(of: .text()), "What it is sent; everything where the list is empty."),
            .required("ordered_by", .words(Endpoint.Order.allCases.map(\.rawValue)), "Within what order is kept."),
            .required("signed_by", .words(Endpoint.Signing.allCases.map(\.rawValue)), "How it is signed."),
            .required("state", .words(states), "How it stands."),
            .required("state_reason", Schema.text().orNull, "Why."),
            .required("position", .integer(), "Up to here of the feed everything was sent or set aside."),
            .required("version", .integer(), "For If-Match."),
            .required("failing_since", Schema.time.orNull, "The first failure after the last success."),
            .required("last_success_at", Schema.time.orNull, "When it took something last."),
            .required("created_at", .time, "When it was made."),
            .required("updated_at", .time, "When its settings changed last."),
            .optional("secret", .text(), "`whsec_…`: shown when it is made, never again."),
            .optional("public_key", .text(), "`whpk_…`: what receivers verify with, where it is signed by ed25519."),
        ]))

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", JSON(endpoint.id))
            writer.member("url", .string(endpoint.url))
            writer.member("description", JSON(endpoint.description))
            writer.member("types", .array(endpoint.types.map(JSON.string)))
            writer.member("ordered_by", .string(endpoint.orderedBy.rawValue))
            writer.member("signed_by", .string(endpoint.signedBy.rawValue))
            writer.member("state", .string(endpoint.state.rawValue))
            writer.member("state_reason", JSON(endpoint.stateReason))
            writer.member("position", JSON(endpoint.position))
            writer.member("version", JSON(endpoint.version))
            writer.member("failing_since", JSON(endpoint.health.failingSince))
            writer.member("last_success_at", JSON(endpoint.health.lastSuccessAt))
            writer.member("created_at", JSON(endpoint.createdAt))
            writer.member("updated_at", JSON(endpoint.updatedAt))
            secret?.secret?.reveal { writer.member("secret", .string(String(decoding: $0, as: UTF8.self))) }
            if let key = secret?.publicKey { writer.member("public_key", .string(key)) }
        }
    }
}

struct AttemptView: View {
    let attempt: Attempt

    static let schema = Schema.named(
        "Attempt",
        .object([
            .required("id", .id(AttemptKind.self), "Its id."),
            .required("endpoint_id", .id(EndpointKind.self), "The endpoint."),
            .required("change_id", .id(ChangeKind.self), "The `webhook-id` that it carried."),
            .required("position", .integer(), "Of the change in the feed; 0 for a test."),
            .required("type", .text(), "The type of the event."),
            .required("number", .integer(), "1 is the first."),
            .required("at", .time, "When."),
            .required("latency_ms", .integer(), "Until the answer."),
            .required("outcome", .words(Attempt.Outcome.allCases.map(\.rawValue)), "What came of it."),
            .required("status", Schema.integer().orNull, "The answer's; null where none came."),
            .required("problem", Schema.text().orNull, "Why no answer came."),
            .required("answer", Schema.text().orNull, "The start of the answer's body."),
            .required("next_at", Schema.time.orNull, "When it is tried again."),
        ]))

    func write(to writer: inout JSONWriter) {
        writer.value([
            "id": JSON(attempt.id), "endpoint_id": JSON(attempt.endpoint), "change_id": JSON(attempt.change),
            "position": JSON(attempt.position), "type": .string(attempt.type), "number": JSON(attempt.number),
            "at": JSON(attempt.at), "latency_ms": JSON(attempt.latency.microseconds / 1000),
            "outcome": .string(attempt.outcome.rawValue), "status": JSON(attempt.status),
            "problem": JSON(attempt.problem),
            "answer": JSON(attempt.answer.map { OutsideText.bounded($0, 4096) }), "next_at": JSON(attempt.nextAt),
        ])
    }
}

struct RecoveredView: View {
    let queued: Int
    let job: ID<JobKind>?
    /// Of a dry run.
    var matches: Int?

    static let schema = Schema.named(
        "Recovery",
        .object([
            .required("queued", .integer(0...Int64.max), "Changes that will be sent again, so far."),
            .required("job_id", Schema.text().orNull, "The job that queues the rest; null where there is none."),
            .optional(
                "matches", .integer(0...10_001),
                "Of a dry run: how many would be sent again; 10,001 where more than 10,000 were to be looked through."),
        ]))

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("queued", JSON(queued))
            writer.member("job_id", JSON(job))
            if let matches { writer.member("matches", JSON(matches)) }
        }
    }
}
