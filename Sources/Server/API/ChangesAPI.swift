import Kit
import Store

/// The change feed: everything that happened here, in commit order. The only list that may be followed.
enum ChangesAPI {
    static let list = Action(
        "listChanges", "Read the change feed",
        notes: "Ask with `after` = the last position you have handled, again and again: positions are dense and final. "
            + "Begin with after=0, or with the `head` of an answer.",
        .needs(.read, "changes"),
        query: [
            Parameter("after", .integer(0...Int64.max), "Changes behind this position; 0 unless said."),
            Parameter("limit", .integer(1...100), "Rows a page, 20 unless said."),
            Parameter("cursor", .line(1...20), "The same as `after`, from `next_cursor`."),
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
        problems: [.invalidCursor, .positionGone]
    ) { request in
        let after = try request.position()
        let limit = Int(request.queryInteger("limit") ?? Paging.usualLimit)
        let (changes, head, tail) = try await request.app.database.read("changes") { session in
            (try session.changes(after: after, limit: limit), try session.feedHead(), try session.feedTail())
        }
        guard after + 1 >= tail || after >= head else {
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

extension APIRequest {
    fileprivate func position() throws(Problem) -> Int64 {
        guard let cursor = queryText("cursor") else { return queryInteger("after") ?? 0 }
        guard let position = Int64(cursor), position >= 0, String(position) == cursor, query["after"] == nil else {
            throw Problem(.invalidCursor, "The cursor of this list is a position, and stands instead of after.")
        }
        return position
    }
}

/// A change as followers see it; the same members as our outbound webhooks carry.
struct ChangeView: View {
    let change: Change

    static let schema = Schema.named(
        "Change",
        .object([
            .required("position", .integer(1...Int64.max), "Its place in the feed: dense and final."),
            .required("id", .id(ChangeKind.self), "Its id, the same in our webhooks."),
            .required("type", .text(), "What happened: `noun.happened`."),
            .required("subject", Schema.text().orNull, "The id of what it is about."),
            .required("version", .integer(), "Of the subject, where it has versions; else 0."),
            .required("user_id", Schema.text().orNull, "The application's user."),
            .required("connection_id", Schema.text().orNull, "The connection."),
            .required("occurred_at", .time, "When it happened."),
            .required("data", .anything, "As its schema at /events/{type}.schema.json says."),
        ]))

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("position", JSON(change.position))
            writer.member("id", JSON(change.id))
            writer.member("type", .string(change.type))
            writer.member("subject", JSON(change.subject))
            writer.member("version", JSON(change.version))
            writer.member("user_id", JSON(change.userID))
            writer.member("connection_id", JSON(change.connectionID))
            writer.member("occurred_at", JSON(change.occurredAt))
            writer.member("data", raw: data)
        }
    }

    /// The payload that the change refers to becomes the last member of its object.
    private var data: [UInt8] {
        guard let payload = change.payload, change.data.last == UInt8(ascii: "}") else { return change.data }
        var writer = JSONWriter()
        writer.object { $0.outside("payload", payload) }
        let isEmpty = change.data.count == 2
        return change.data.dropLast() + (isEmpty ? [] : [UInt8(ascii: ",")]) + writer.bytes.dropFirst()
    }
}
