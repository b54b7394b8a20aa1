import Engine
import Kit
import Store

/// Calls: every exchange with a platform, without bodies and secrets.
enum CallsAPI {
    static let list = Action(
        "listCalls", "List calls to platforms",
        notes: "Each attempt is a line of its own, written when it ended. Bodies, queries and headers are not kept, "
            + "unless somebody has asked for that (`createCapture`).",
        .needs(.read, "calls"),
        query: Paging.parameters + Paging.times + [
            Parameter("provider", .slug(), "To one provider."),
            Parameter("purpose", .slug(), "For one purpose."),
            Parameter("connection_id", .line(), "On behalf of one connection."),
            Parameter("user_id", .line(), "For one user."),
            Parameter("subject", .line(), "Made for one thing, by its id."),
            Parameter("correlation", .line(), "Made for one request, by its id."),
            Parameter("outcome", .words(CallView.outcomes + ["failed"]), "That came to this; `failed`: all but `ok`."),
        ],
        answers: [.list(of: CallView.schema)], problems: [.invalidCursor]
    ) { request in
        var filter = CallFilter()
        filter.provider = request.queryText("provider")
        filter.purpose = request.queryText("purpose")
        filter.connection = request.queryText("connection_id")
        filter.userID = request.queryText("user_id")
        filter.subject = request.queryText("subject")
        filter.correlation = request.queryText("correlation")
        filter.outcome = request.queryText("outcome")
        let page = try request.page()
        let now = request.now
        let rows = try await request.app.database.read("calls") { [filter] in
            try $0.calls(filter, $0.upToHead(page, at: now))
        }
        return request.list(rows, page, id: \.id.text) { CallView(row: $0) }
    }

    static let get = Action(
        "getCall", "Get a call to a platform",
        notes: "With its bodies, where they were captured and the key has the scope captures:write.",
        .needs(.read, "calls"), path: [.id(CallKind.self)],
        answers: [.ok("The call.", CallView.schema)], problems: [.notFound]
    ) { request in
        let id = request.pathID(CallKind.self)
        guard let row = try await request.app.database.read("call", { try $0.call(id) }) else {
            throw Problem(.notFound, "There is no call \(id). Retention may have removed it.")
        }
        guard request.caller.may(.write, "captures"), let captures = request.app.hooks.captures else {
            return .json(200, CallView(row: row))
        }
        return .json(200, CallView(row: row, captured: try await captures.captured(id)))
    }
}

struct CallView: View {
    let row: CallRow
    /// Where it is asked for and was kept.
    var captured: JSON?

    static let outcomes = [
        "ok", "throttled", "unavailable", "unauthorized", "forbidden", "not_found", "refused", "garbled",
    ]
    static let schema = Schema.named(
        "Call",
        .object([
            .required("id", .id(CallKind.self), "Its id."),
            .required("provider", .text(), "The platform."),
            .required("purpose", .text(), "What it was for."),
            .required("method", .text(), "The HTTP method."),
            .required("host", .text(), "Where it went."),
            .required("path", .text(), "The path, with `{}` for each value in it."),
            .required("at", .time, "When it left."),
            .required("latency_ms", .integer(), "From its first byte to the answer's last."),
            .required("status", Schema.integer().orNull, "The answer's status; null when none came."),
            .required("outcome", .words(outcomes), "What it came to."),
            .required("provider_code", Schema.text().orNull, "The platform's own code."),
            .required("cost", .integer(), "Units of quotas that it took."),
            .required("attempt", .integer(), "1 is the first."),
            .required("bytes_sent", .integer(), "Of its body, where it was passed on."),
            .required("bytes_received", .integer(), "Of the answer's body."),
            .required("connection_id", Schema.text().orNull, "On whose behalf."),
            .required("user_id", Schema.text().orNull, "For whom."),
            .required("subject", Schema.text().orNull, "The id of what it was made for."),
            .required("correlation", Schema.text().orNull, "The request that asked for it."),
            .optional("captured", Self.captured, "What was kept of it by a capture, without secrets."),
        ]))

    private static let captured = Schema.object([
        .required(
            "request",
            .object([
                .required("url", .text(), "Where it went, with its query."),
                .required("headers", headers, "As they were sent."), .required("body", body, "What was sent."),
            ]), "What left."),
        .required(
            "answer",
            Schema.object([
                .required("headers", headers, "As they came."), .required("body", body, "What came."),
            ]).orNull, "What came back; null when nothing came."),
    ])
    private static let headers = Schema.array(
        of: .object([.required("name", .text(), "Its name."), .required("value", .text(), "Its value.")]))
    private static let body = Schema.object([
        .required("kind", .words(["none", "json", "form", "text", "left_out"]), "What is kept of it."),
        .required("bytes", .integer(0...Int64.max), "How long it was."),
        .optional("text", .text(), "The body, `‹secret›` in the place of each secret."),
        .optional(
            "why", .words(["too_large", "compressed", "not_text", "passed_on"]),
            "Why it is left out: over 64 KiB, coded, of a kind that cannot be looked through, passed on as it was read."
        ),
        .optional("looks_like", .text(), "Of what is left out: the type that its first bytes say."),
    ])

    func write(to writer: inout JSONWriter) {
        var members: [JSONMember] = Self.members(row)
        if let captured { members.append(.init("captured", captured)) }
        writer.value(.object(members))
    }

    private static func members(_ row: CallRow) -> [JSONMember] {
        let json: JSON = [
            "id": JSON(row.id), "provider": .string(row.provider), "purpose": .string(row.purpose),
            "method": .string(row.method), "host": .string(row.host), "path": .string(row.path), "at": JSON(row.at),
            "latency_ms": JSON(row.latency.microseconds / 1000), "status": JSON(row.status),
            "outcome": .string(row.outcome), "provider_code": JSON(row.code), "cost": JSON(row.cost),
            "attempt": JSON(row.attempt), "bytes_sent": JSON(row.bytesSent),
            "bytes_received": JSON(row.bytesReceived), "connection_id": JSON(row.connection),
            "user_id": JSON(row.userID), "subject": JSON(row.subject), "correlation": JSON(row.correlation),
        ]
        return json.members ?? []
    }
}
