import Engine
import Kit
import Store

/// Events: verified facts from platforms, in the order they came.
enum EventsAPI {
    static let filters = [
        Parameter("provider", .slug(), "Of one provider."),
        Parameter("type", .line(), "Of one type, in the platform's own word."),
        Parameter("connection_id", .line(), "Of one connection."),
        Parameter("user_id", .line(), "Of one user."),
        Parameter("state", .words(EventView.states), "In this state."),
    ]

    static let list = Action(
        "listEvents", "List events",
        notes: "A page ends early when its payloads come to more than 4 MiB. Not to be followed: use /v1/changes.",
        .needs(.read, "events"),
        query: Paging.parameters + Paging.times + filters + [
            Parameter(
                "provider_event_id", .line(), "With the platform's own id: at most 100, newest first, on one page."),
            Parameter(
                "find", .line(),
                "That hold this value: an order, a customer, an e-mail address or what else people look for a "
                    + "platform's events by (/docs/providers/…). The whole value; capitals do not count."),
        ],
        answers: [.list(of: EventView.schema)], problems: [.invalidCursor, .notSetUp]
    ) { request in
        let (page, now) = (try request.page(), request.now)
        guard let filter = try await request.app.finding(request.queryText("find"), in: request.eventFilter) else {
            return request.list([EventRow](), page, id: \.id.text) { EventView(row: $0, payload: nil) }
        }
        let platformID = request.queryText("provider_event_id")
        let (rows, bytes, read) = try await request.app.database.read("events") { session in
            let rows =
                try platformID.map { try session.events(providerEventID: $0, filter, at: now) }
                ?? session.events(filter, session.upToHead(page, at: now))
            let (bytes, read) = try session.payloads(of: Array(rows.prefix(page.limit)), bytesMax: payloadsMax)
            return (rows, bytes, read)
        }
        // Fewer than asked for: the rest is on the next page.
        let shown = ListPage(limit: min(page.limit, max(read, 1)), ascending: page.ascending, after: page.after)
        if platformID != nil {
            return request.list(Array(rows.prefix(read)), ListPage(limit: 100), id: \.id.text) {
                EventView(row: $0, payload: bytes[$0.id.text])
            }
        }
        return request.list(rows, shown, id: \.id.text) { EventView(row: $0, payload: bytes[$0.id.text]) }
    }
    private static let payloadsMax = 4 << 20

    static let get = Action(
        "getEvent", "Get an event", .needs(.read, "events"), path: [.id(EventKind.self)],
        answers: [.ok("The event.", EventView.schema)], problems: [.notFound]
    ) { request in
        let id = request.pathID(EventKind.self)
        let view = try await request.app.database.read("event") { session in
            try session.eventRow(id).map { row in
                EventView(row: row, payload: try session.payloads(of: [row], bytesMax: .max).bytes[id.text])
            }
        }
        guard let view else { throw Problem(.notFound, "There is no event \(id).") }
        return .json(200, view)
    }
}

extension App {
    /// A filter that finds what holds a value as well; nil where no event can hold it.
    ///
    /// - Throws: `Problem(.notSetUp)` where nothing is found by values.
    func finding(_ value: String?, in filter: EventFilter) async throws -> EventFilter? {
        guard let value else { return filter }
        guard let terms = hooks.eventTerms else {
            throw Problem(
                .notSetUp,
                "Events are found by their values once PATCHBAY_ENCRYPTION_KEYS has a key: patchbay vault key")
        }
        var filter = filter
        filter.term = try await terms.term(of: value)
        return filter.term == nil ? nil : filter
    }
}

extension APIRequest {
    var eventFilter: EventFilter {
        var filter = EventFilter()
        filter.provider = queryText("provider")
        filter.type = queryText("type")
        filter.connectionID = queryText("connection_id")
        filter.userID = queryText("user_id")
        filter.state = queryText("state")
        return filter
    }
}

struct EventView: View {
    let row: EventRow
    /// Nil when retention has removed it.
    let payload: [UInt8]?

    static let states = ["queued", "applied", "waiting_review", "failed", "ignored"]
    static let schema = Schema.named(
        "Event",
        .object([
            .required("id", .id(EventKind.self), "Its id."),
            .required("provider", .text(), "Who said it."),
            .required("provider_event_id", Schema.text().orNull, "The platform's own id, where it gives one."),
            .required("type", .text(), "The platform's own word for what happened."),
            .required("account", Schema.text().orNull, "The platform's account that it happened in."),
            .required("subject", Schema.text().orNull, "Whose fact it is at the platform, such as its customer."),
            .required("occurred_at", Schema.time.orNull, "When it happened, by the platform's clock."),
            .required("received_at", .time, "When it came here first."),
            .required("connection_id", Schema.text().orNull, "The connection that it belongs to."),
            .required("user_id", Schema.text().orNull, "The application's user that it is about."),
            .required("state", .words(states), "What became of it."),
            .required("state_reason", Schema.text().orNull, "Why, in a sentence."),
            .required("duplicates", .integer(), "How often it was delivered again."),
            .required("last_duplicate_at", Schema.time.orNull, "When it came last."),
            .required("bytes_differed", .boolean, "A repetition had other bytes than the first."),
            .required("delivery_id", .text(), "The delivery that brought it."),
            .required("app_id", .text(), "The app credentials whose secret proved it."),
            .required("payload", .anything, "What the platform sent, byte for byte where it is JSON; else null."),
            .required("payload_removed", .boolean, "Retention has removed the payload."),
            .optional("payload_base64", .text(), "The bytes, where they are not JSON."),
        ]))

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", JSON(row.id))
            writer.member("provider", .string(row.provider))
            writer.member("provider_event_id", JSON(row.providerEventID))
            writer.member("type", .string(row.type))
            writer.member("account", JSON(row.account))
            writer.member("subject", JSON(row.subject))
            writer.member("occurred_at", JSON(row.occurredAt))
            writer.member("received_at", JSON(row.receivedAt))
            writer.member("connection_id", JSON(row.connectionID))
            writer.member("user_id", JSON(row.userID))
            writer.member("state", .string(row.state))
            writer.member("state_reason", JSON(row.stateReason))
            writer.member("duplicates", JSON(row.duplicates))
            writer.member("last_duplicate_at", JSON(row.lastDuplicateAt))
            writer.member("bytes_differed", .bool(row.bytesDiffered))
            writer.member("delivery_id", .string(row.deliveryID))
            writer.member("app_id", .string(row.appID))
            writer.outside("payload", payload)
            writer.member("payload_removed", .bool(payload == nil))
        }
    }
}

extension JSONWriter {
    /// Bytes from outside as a member: as they are where they are JSON, else null and, beside it, in base64.
    mutating func outside(_ name: String, _ bytes: [UInt8]?) {
        guard let bytes else { return member(name, .null) }
        if (try? JSON.parse(bytes)) != nil {  // Why it is none does not matter here.
            member(name, raw: bytes)
        } else {
            member(name, .null)
            member(name + "_base64", .string(String(decoding: Base64.encode(bytes), as: UTF8.self)))
        }
    }
}
