import Kit
import Store

/// Alerts: conditions that someone should know of.
enum AlertsAPI {
    static let list = Action(
        "listAlerts", "List alerts", .needs(.read, "alerts"),
        query: Paging.parameters + Paging.times + [
            Parameter("kind", .slug(), "Of one kind."),
            Parameter("state", .words(AlertView.states), "In this state."),
            Parameter("subject", .line(), "About one thing."),
        ],
        answers: [.list(of: AlertView.schema)], problems: [.invalidCursor]
    ) { request in
        var filter = AlertFilter()
        filter.kind = request.queryText("kind")
        filter.state = request.queryText("state")
        filter.subject = request.queryText("subject")
        let (page, now) = (try request.page(), request.now)
        let rows = try await request.app.database.read("alerts") { [filter] in
            try $0.alerts(filter, $0.upToHead(page, at: now))
        }
        return request.list(rows, page, id: \.id.text, AlertView.init)
    }

    static let silence = Action(
        "silenceAlert", "Silence an alert", notes: "It is open again afterwards, if its condition still stands.",
        .needs(.write, "alerts"), path: [.id(AlertKind.self)],
        body: .named(
            "SilenceRequest",
            .object([
                .required("until", .time, "At most 30 days ahead.")
            ])
        ).example(["until": "2026-12-01T08:00:00Z"]),
        isIdempotent: true, answers: [.ok("It is silent.", AlertView.schema)], problems: [.notFound, .wrongState]
    ) { request in
        let (id, now, actor, auditID) = (
            request.pathID(AlertKind.self), request.now, request.caller.id, request.app.ids.make(AuditKind.self)
        )
        guard let until = request.body["until"]?.text.flatMap(Timestamp.init(rfc3339:)), until > now,
            until <= now + .days(30)
        else {
            throw Problem(.invalidFields, [FieldProblem("until", "must lie ahead, by 30 days at most.")])
        }
        return try await request.once("silence_alert") { session in
            let isSilent = try session.silence(id, until: until)
            guard let alert = try session.alert(id) else { throw Problem(.notFound, "There is no alert \(id).") }
            guard isSilent else { throw Problem(.wrongState, "The alert is resolved.") }
            try session.audit(NewAudit(auditID, "alert.silenced", id.text, by: request))
            return .json(200, AlertView(row: alert))
        }
    }
}

struct AlertView: View {
    let row: AlertRow

    static let states = ["open", "silenced", "resolved"]
    static let schema = Schema.named(
        "Alert",
        .object([
            .required("id", .id(AlertKind.self), "Its id."),
            .required("kind", .text(), "What sort of condition it is."),
            .required("state", .words(states), "How it stands."),
            .required("subject", .text(), "What it is about."),
            .required("summary", .text(), "What is the matter."),
            .required("action", .text(), "What to do."),
            .required("count", .integer(), "How often it came up while it stood."),
            .required("opened_at", .time, "Since when."),
            .required("last_at", .time, "When it came up last."),
            .required("silenced_until", Schema.time.orNull, "Until when nobody is told."),
            .required("resolved_at", Schema.time.orNull, "When it ended."),
        ]))

    func write(to writer: inout JSONWriter) {
        writer.value([
            "id": JSON(row.id), "kind": .string(row.kind), "state": .string(row.state), "subject": .string(row.subject),
            "summary": .string(row.summary), "action": .string(row.action), "count": JSON(row.count),
            "opened_at": JSON(row.openedAt), "last_at": JSON(row.lastAt), "silenced_until": JSON(row.silencedUntil),
            "resolved_at": JSON(row.resolvedAt),
        ])
    }
}
