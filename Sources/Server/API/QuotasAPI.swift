import Engine
import Kit
import Store

/// Quotas: what platforms allow, and how much of it is used. Circuits: the hosts that keep failing.
enum QuotasAPI {
    /// More are not shown on one page; the ones used last are.
    private static let shownMax = 1000

    static let list = Action(
        "listQuotas", "List quotas",
        notes: "What counts something at present, at this node; one page, 1,000 at most. Where nodes share a database, "
            + "what all of them use.",
        .needs(.read, "quotas"), query: [Parameter("provider", .slug(), "Of one provider.")],
        answers: [.list(of: QuotaView.schema)]
    ) { request in
        let provider = request.queryText("provider")
        let all = try await request.app.hooks.quotas?.standing(shownMax) ?? []
        let rows = all.filter { provider == nil || $0.quota.provider == provider }.flatMap { standing in
            standing.levels.enumerated().map { QuotaView(standing: standing, index: $0.offset, level: $0.element) }
        }
        return request.list(Array(rows.prefix(shownMax)), ListPage(limit: shownMax), id: \.id) { $0 }
    }

    static let circuits = Action(
        "listCircuits", "List circuits",
        notes: "Hosts of platforms that keep failing. A host that is well is not listed.", .needs(.read, "quotas"),
        answers: [.list(of: CircuitView.schema)]
    ) { request in
        let rows = try await request.app.database.read("circuits") { try $0.circuits() }
        return request.list(rows, ListPage(limit: 1000), id: \.host, CircuitView.init)
    }
}

struct QuotaView: View {
    let standing: QuotaStanding
    let index: Int
    let level: QuotaLevel

    var id: String { "\(standing.quota.id)/\(standing.subject)/\(index)" }

    static let schema = Schema.named(
        "Quota",
        .object([
            .required("id", .text(), "Provider, quota, whoever it counts by, and which of its limits."),
            .required("provider", .text(), "The platform."),
            .required("quota", .text(), "Its name."),
            .required("unit", .text(), "What is counted."),
            .required("scope", .words(Quota.Scope.allCases.map(\.rawValue)), "What the platform counts by."),
            .required(
                "subject", .text(), "Whose it is: app credentials, an account, a connection, a user, an endpoint."),
            .required("window", .text(), "In which time, in words."),
            .required("window_seconds", .integer(), "The same in seconds; 0 for calls at the same time."),
            .required("limit", .integer(), "What the platform allows."),
            .required("share", .integer(), "What we may use of it."),
            .required("budget", .integer(), "What ordinary work may use; the rest is for what is urgent or awaited."),
            .required("used", .integer(), "What counts now, calls under way included."),
            .required("in_flight", .integer(), "Of that, under way."),
            .required("learned", .boolean, "The platform itself named the limit."),
            .required("next_free_at", Schema.time.orNull, "When the next unit is free."),
            .required("resets_at", Schema.time.orNull, "When all are free, if nothing more is spent."),
            .required("blocked_until", Schema.time.orNull, "The platform refused; nothing is sent before."),
            .required("waiting", .integer(), "Who waits for it, at this node."),
        ]))

    func write(to writer: inout JSONWriter) {
        let quota = standing.quota
        writer.value([
            "id": .string(id), "provider": .string(quota.provider), "quota": .string(quota.quota.name),
            "unit": .string(quota.quota.unit), "scope": .string(quota.quota.scope.rawValue),
            "subject": .string(standing.subject), "window": .string(level.window.words),
            "window_seconds": JSON(level.window.length.microseconds / 1_000_000), "limit": JSON(level.limit),
            "share": JSON(level.share), "budget": JSON(level.budget), "used": JSON(level.used),
            "in_flight": JSON(level.inFlight), "learned": .bool(level.isLearned),
            "next_free_at": JSON(level.nextFree), "resets_at": JSON(level.allFree),
            "blocked_until": JSON(level.blockedUntil), "waiting": JSON(standing.waiting.values.reduce(0, +)),
        ])
    }
}

struct CircuitView: View {
    let row: CircuitRow

    static let schema = Schema.named(
        "Circuit",
        .object([
            .required("host", .text(), "The host."),
            .required("provider", .text(), "The platform."),
            .required("state", .words(["open"]), "It keeps failing; calls wait."),
            .required("opened_at", .time, "Since when."),
            .required("probe_at", .time, "When one call tries it again."),
            .required("reason", .text(), "What the last failure was, for a person."),
        ]))

    func write(to writer: inout JSONWriter) {
        writer.value([
            "host": .string(row.host), "provider": .string(row.provider), "state": "open",
            "opened_at": JSON(row.openedAt), "probe_at": JSON(row.probeAt), "reason": .string(row.reason),
        ])
    }
}
