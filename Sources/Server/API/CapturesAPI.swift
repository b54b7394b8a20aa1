import Engine
import Kit
import Store

/// Captures: times in which the bodies of calls are kept, because somebody looks for a fault.
enum CapturesAPI {
    private static let longest = Captures.longest.components.seconds
    private static let usual = Captures.usual.components.seconds

    static let list = Action(
        "listCaptures", "List captures", .needs(.read, "captures"),
        query: Paging.parameters + Paging.times + [
            Parameter("provider", .slug(), "Of one platform."),
            Parameter("connection_id", .id(ConnectionKind.self), "Of one connection."),
        ],
        answers: [.list(of: CaptureView.schema)], problems: [.invalidCursor]
    ) { request in
        let (page, now) = (try request.page(), request.now)
        let (connection, provider) = (request.queryText("connection_id"), request.queryText("provider"))
        let rows = try await request.app.database.read("captures") {
            try $0.captures(of: connection, at: provider, page)
        }
        return request.list(rows, page, id: \.id.text) { CaptureView(row: $0, now: now) }
    }

    static let get = Action(
        "getCapture", "Get a capture", .needs(.read, "captures"), path: [.id(CaptureKind.self)],
        answers: [.ok("The capture.", CaptureView.schema)], problems: [.notFound]
    ) { request in
        let id = request.pathID(CaptureKind.self)
        guard let row = try await request.app.database.read("capture", { try $0.capture(id) }) else {
            throw Problem(.notFound, "There is no capture \(id).")
        }
        return .json(200, CaptureView(row: row, now: request.now))
    }

    static let create = Action(
        "createCapture", "Keep the bodies of calls for a time",
        notes: "Of one connection, or of every call to a platform. Requests and answers that leave from now on are "
            + "kept beside their calls, up to 64 KiB each, sealed, and without secrets: tokens, keys, signatures, and "
            + "what the platform declares secret. It ends by itself, holds over restarts, and is in the audit log. On "
            + "other nodes it begins within five seconds. Requests for tokens are never captured.",
        .needs(.write, "captures"),
        body: .named(
            "CaptureRequest",
            .object([
                .optional("connection_id", .id(ConnectionKind.self), "Of this connection; or say `provider`."),
                .optional("provider", .slug(), "Of every call to this platform."),
                .optional("seconds", .integer(60...longest), "How long; \(usual) unless said."),
                .optional(
                    "calls", .integer(1...Int64(Captures.callsMax)),
                    "How many at most; \(Captures.usualCalls) unless said."),
            ])
        ).example(["connection_id": "conn_01kb2c3d4e5f6g7h8j9k0m1n2p", "seconds": 900]),
        isIdempotent: true, answers: [.created("It goes on now.", CaptureView.schema)],
        problems: [.notFound, .notSetUp]
    ) { request in
        guard let captures = request.app.hooks.captures else {
            throw Problem(
                .notSetUp, "What is captured is sealed. Set PATCHBAY_ENCRYPTION_KEYS; make one with: patchbay vault key"
            )
        }
        let row = try await request.wantedCapture()
        let auditID = request.app.ids.make(AuditKind.self)
        let answer = try await request.once("create_capture") { session in
            try session.begin(row)
            let detail: JSON = [
                "provider": .string(row.provider), "ends_at": JSON(row.endsAt), "calls": JSON(row.callsMax),
            ]
            // The connection is what an operator looks for.
            try session.audit(
                NewAudit(
                    auditID, "capture.began", row.connection?.text ?? row.id.text, by: request, detail: detail))
            return .json(201, CaptureView(row: row, now: row.beganAt)).with("Location", "/v1/captures/\(row.id)")
        }
        await captures.read()
        return answer
    }

    static let end = Action(
        "endCapture", "End a capture before its time", notes: "What it has kept stays until its retention is over.",
        .needs(.write, "captures"), path: [.id(CaptureKind.self)],
        answers: [.ok("The capture.", CaptureView.schema)], problems: [.notFound, .wrongState]
    ) { request in
        let (id, now, auditID) = (request.pathID(CaptureKind.self), request.now, request.app.ids.make(AuditKind.self))
        let row = try await request.app.database.write("end_capture") { session in
            guard let row = try session.capture(id) else { throw Problem(.notFound, "There is no capture \(id).") }
            guard try session.end(id, at: now) else { throw Problem(.wrongState, "The capture is over.") }
            try session.audit(NewAudit(auditID, "capture.ended", row.connection?.text ?? id.text, by: request))
            return try session.capture(id) ?? row
        }
        await request.app.hooks.captures?.read()
        return .json(200, CaptureView(row: row, now: now))
    }
}

extension APIRequest {
    /// What is asked for, as it would be kept.
    fileprivate func wantedCapture() async throws -> CaptureRow {
        let (named, provider) = (body["connection_id"]?.text, body["provider"]?.text)
        guard (named == nil) != (provider == nil) else {
            throw Problem(.invalidFields, [FieldProblem("connection_id", "or provider must be said, one of them.")])
        }
        var connection: ConnectionRow?
        if let named {
            let id = ID<ConnectionKind>(stored: named)
            connection = try await app.database.read("connection", { try $0.connection(id) })
            guard connection.map({ $0.deletedAt == nil }) ?? false else {
                throw Problem(.notFound, "There is no connection \(named).")
            }
        } else if let provider, !Providers.all.contains(where: { $0.about.id == provider }) {
            throw Problem(.invalidFields, [FieldProblem("provider", "is no platform that is known here.")])
        }
        let length = Duration.seconds(body["seconds"]?.integer ?? Captures.usual.components.seconds)
        return CaptureRow(
            id: app.ids.make(), provider: connection?.provider ?? provider ?? "", connection: connection?.id,
            beganAt: now, endsAt: now + length, callsMax: body["calls"]?.integer ?? Int64(Captures.usualCalls),
            startedBy: caller.id)
    }
}

struct CaptureView: View {
    let row: CaptureRow
    let now: Timestamp

    static let schema = Schema.named(
        "Capture",
        .object([
            .required("id", .id(CaptureKind.self), "Its id."),
            .required("state", .words(["open", "over"]), "Whether calls that leave now are kept."),
            .required("provider", .text(), "The platform."),
            .required("connection_id", Schema.text().orNull, "The connection; null: every call to the platform."),
            .required("began_at", .time, "When it began."),
            .required("ends_at", .time, "When it ends, or ended."),
            .required("calls", .integer(0...Int64.max), "How many were kept."),
            .required("calls_max", .integer(0...Int64.max), "How many may be."),
            .required("started_by", .text(), "The key or operator that asked for it."),
        ]))

    func write(to writer: inout JSONWriter) {
        writer.value([
            "id": JSON(row.id), "state": row.isOpen(at: now) ? "open" : "over", "provider": .string(row.provider),
            "connection_id": JSON(row.connection), "began_at": JSON(row.beganAt), "ends_at": JSON(row.endsAt),
            "calls": JSON(row.calls), "calls_max": JSON(row.callsMax), "started_by": .string(row.startedBy),
        ])
    }
}
