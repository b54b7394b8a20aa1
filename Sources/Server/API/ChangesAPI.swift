import Engine
import HTTPTypes
import Kit
import Store

/// The change feed: everything that happened here, in commit order. The only list that may be followed.
enum ChangesAPI {
    /// Positions are counted from 1; none will ever be greater than what every JSON reader holds exactly.
    fileprivate static let positions: ClosedRange<Int64> = 0...(1 << 53)

    static let list = Action(
        "listChanges", "Read the change feed",
        notes: "Ask with `after` = the last position you have handled, again and again: positions are dense and final. "
            + "Begin with after=0, or with the `head` of an answer.",
        .needs(.read, "changes"),
        query: [
            Parameter("after", .integer(positions), "Changes behind this position; 0 unless said."),
            Parameter("limit", .integer(1...100), "Rows a page, 20 unless said."),
            Parameter("cursor", .line(1...20), "The same as `after`, from `next_cursor`."),
            Parameter("since", .time, "Instead of `after`: what happened at this time and later."),
            Parameter(
                "since_event", .id(EventKind.self), "Instead of `after`: from where this event was told as received on."
            ),
        ],
        answers: [
            .ok(
                "A part of the feed.",
                .object([
                    .required("data", .array(of: ChangeView.schema), "The changes, in order."),
                    .required("next_cursor", Schema.text().orNull, "For the next page; null at the head."),
                    .required("last_position", .integer(), "What to send as `after` to go on from here."),
                    .required("head", .integer(), "The last position given so far."),
                ]))
        ],
        problems: [.invalidCursor, .positionGone, .notFound]
    ) { request in
        let start = try request.feedStart()
        let limit = Int(request.queryInteger("limit") ?? Paging.usualLimit)
        let (after, changes, head, tail) = try await request.app.database.read("changes") { session in
            let head = try session.feedHead()
            let after = try start.position(in: session) ?? head
            return (after, try session.changes(after: after, limit: limit), head, try session.feedTail())
        }
        guard after >= tail - 1 || after >= head else {
            throw Problem(
                .positionGone, "The feed begins at position \(tail). What came before it was removed by retention.")
        }
        let last = changes.last?.position ?? after
        return .json { writer in
            writer.object { writer in
                writer.key("data")
                writer.array { writer in for change in changes { ChangeView(change: change).write(to: &writer) } }
                writer.member("next_cursor", JSON(last < head && !changes.isEmpty ? String(last) : nil))
                writer.member("last_position", JSON(last))
                writer.member("head", JSON(head))
            }
        }
    }
}

extension ChangesAPI {
    static let stream = Action(
        "streamChanges", "Follow the change feed live",
        notes:
            "Server-sent events: `id` is the position, `event` the type, `data` the change. `Last-Event-ID` or `after` "
            + "resumes; without either it begins with what comes. A client that falls behind is closed and resumes.",
        .needs(.read, "changes"),
        query: [
            Parameter("after", .integer(positions), "Changes behind this position first."),
            Parameter("types", .line(1...1024), "Patterns with commas between: `user.*,payment.failed`."),
            Parameter("user_id", .line(), "About one user."),
            Parameter("connection_id", .line(), "About one connection."),
        ],
        answers: [.document("The stream.", "text/event-stream")], problems: [.positionGone]
    ) { request in
        guard let hub = request.app.hooks.hub else { throw Problem(.unavailable, "This node has no live feed.") }
        let types = request.queryText("types")?.split(separator: ",").map(String.init) ?? []
        if let problem = EventPatterns.problem(with: types) {
            throw Problem(.invalidQuery, [FieldProblem("types", problem)])
        }
        let after = try request.resumesAfter
        let tail = try await request.app.database.read("feed_tail") { try $0.feedTail() }
        if let after, after < tail - 1 {
            throw Problem(
                .positionGone, "The feed begins at position \(tail). What came before it was removed by retention.")
        }
        let filter = ChangeFilter(
            types: EventPatterns(types), userID: request.queryText("user_id"),
            connectionID: request.queryText("connection_id"))
        var answer = Answer(status: 200, contentType: "text/event-stream").with("Cache-Control", "no-cache").with(
            "X-Accel-Buffering", "no")
        let jitter = request.app.ids.unit()
        answer.stream = { writer in
            try await ChangeStream(
                changes: hub.subscribe(after: after, to: filter), time: request.app.sleep, jitter: jitter,
                hangUp: request.hangUp
            ).write(to: &writer)
        }
        return answer
    }
}

extension APIRequest {
    /// `Last-Event-ID` counts more: a browser that reconnects sends the first address again.
    fileprivate var resumesAfter: Int64? {
        get throws(Problem) {
            guard let text = headers[.lastEventID] else { return queryInteger("after") }
            guard let position = Int64(text), ChangesAPI.positions.contains(position) else {
                throw Problem(.invalidQuery, [FieldProblem("Last-Event-ID", "must be a position of the feed.")])
            }
            return position
        }
    }

    /// Where in the feed the answer begins: one of `after`, `cursor`, `since` and `since_event` says so.
    fileprivate func feedStart() throws(Problem) -> FeedStart {
        let said = ["after", "since", "since_event"].filter { query[$0] != nil }
        if let cursor = queryText("cursor") {
            guard let position = Int64(cursor), ChangesAPI.positions.contains(position), String(position) == cursor,
                said.isEmpty
            else {
                throw Problem(.invalidCursor, "The cursor of this list is a position, and stands instead of after.")
            }
            return .position(position)
        }
        guard said.count < 2 else {
            throw Problem(.invalidQuery, said.map { FieldProblem($0, "stands alone: name one place to begin at.") })
        }
        if let moment = queryTime("since") { return .moment(moment) }
        if let event = queryText("since_event") { return .event(ID(stored: event)) }
        return .position(queryInteger("after") ?? 0)
    }
}

/// A place in the feed, as a request names it.
private enum FeedStart: Sendable {
    case position(Int64)
    case moment(Timestamp)
    case event(ID<EventKind>)

    /// The position to begin behind; nil for the head.
    func position(in session: Session) throws -> Int64? {
        switch self {
        case .position(let position): return position
        case .moment(let moment): return try session.feedPosition(since: moment)
        case .event(let id):
            guard let position = try session.feedPosition(ofFirstAbout: id.text) else {
                throw Problem(.notFound, "The feed does not tell of \(id): it is not applied yet, or too old.")
            }
            return position
        }
    }
}

/// A change as followers see it, in the list and in the stream: what our webhooks carry, its place, whom it is about.
struct ChangeView: View {
    let change: Change

    static let schema = Schema.named(
        "Change",
        .object([
            .required("position", .integer(1...Int64.max), "Its place in the feed: dense and final."),
            .required("id", .id(ChangeKind.self), "Its id: the `webhook-id` of our webhooks."),
            .required("type", .text(), "What happened: `noun.happened`."),
            .required("subject", Schema.text().orNull, "The id of what it is about."),
            .required("version", .integer(), "Of the subject, where it has versions; else 0."),
            .required("user_id", Schema.text().orNull, "The application's user."),
            .required("connection_id", Schema.text().orNull, "The connection."),
            .required("occurred_at", .time, "When it happened."),
            .required("data", .anything, "As its schema at /events/{type}.schema.json says."),
        ]))

    func write(to writer: inout JSONWriter) { FeedItem(change).write(to: &writer) }
}
