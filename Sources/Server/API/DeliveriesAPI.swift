import Kit
import Store

/// Deliveries: what came to our webhook addresses, believed or not.
enum DeliveriesAPI {
    static let list = Action(
        "listDeliveries", "List deliveries",
        notes: "Rejected ones are kept for a while so that a person sees why; of repetitions a line is kept.",
        .needs(.read, "deliveries"),
        query: Paging.parameters + Paging.times + [
            Parameter("provider", .slug(), "Of one provider."),
            Parameter("verdict", .words(["accepted", "duplicate", "rejected"]), "With this verdict."),
            Parameter("code", .slug(), "Rejected for this reason."),
        ],
        answers: [.list(of: DeliveryView.schema)], problems: [.invalidCursor]
    ) { request in
        var filter = DeliveryFilter()
        filter.provider = request.queryText("provider")
        filter.verdict = request.queryText("verdict")
        filter.code = request.queryText("code")
        let (page, now) = (try request.page(), request.now)
        let rows = try await request.app.database.read("deliveries") { [filter] in
            try $0.deliveries(filter, $0.upToHead(page, at: now))
        }
        return request.list(rows, page, id: \.id.text) { DeliveryView(row: $0) }
    }

    static let get = Action(
        "getDelivery", "Get a delivery", .needs(.read, "deliveries"), path: [.id(DeliveryKind.self)],
        query: [Parameter("include", .words(["body"]), "`body` adds `body_base64`: the bytes as they came.")],
        answers: [.ok("The delivery.", DeliveryView.schema)], problems: [.notFound]
    ) { request in
        let id = request.pathID(DeliveryKind.self)
        let includesBody = request.queryText("include") == "body"
        let view = try await request.app.database.read("delivery") { session in
            try session.delivery(id).map { row in
                DeliveryView(row: row, body: includesBody ? .some(try session.deliveryBody(id)) : nil)
            }
        }
        guard let view else { throw Problem(.notFound, "There is no delivery \(id).") }
        return .json(200, view)
    }
}

struct DeliveryView: View {
    let row: DeliveryRow
    /// Nil where nobody asked for it; nil within where none is kept.
    var body: [UInt8]??

    static let schema = Schema.named(
        "Delivery",
        .object([
            .required("id", .id(DeliveryKind.self), "Its id."),
            .required("provider", .text(), "The provider whose address it came to."),
            .required("app_id", Schema.text().orNull, "The app credentials whose secret proved it."),
            .required("received_at", .time, "When its body was complete."),
            .required("verdict", .words(["accepted", "duplicate", "rejected"]), "What became of it."),
            .required("code", Schema.text().orNull, "Why it was rejected, for programs."),
            .required("reason", Schema.text().orNull, "Why it was rejected or cannot be read, in a sentence."),
            .required(
                "flags", .array(of: .text()),
                "`late` (past the usual window), `listed` (fetched from the platform's list), `unreadable`, `test`."),
            .required("method", .text(), "The HTTP method."),
            .required("target", .text(), "Path and query as they came; empty for a duplicate."),
            .required(
                "headers",
                .array(
                    of: .object([
                        .required("name", .text(), "As it came."), .required("value", .text(), "As it came."),
                    ])), "Those that are kept: of a duplicate none."),
            .required("remote", Schema.text().orNull, "The address that sent it."),
            .required("size", .integer(), "Bytes of the whole body."),
            .required("event_id", Schema.text().orNull, "The first event in it, or the event that it repeats."),
            .optional(
                "body_base64", Schema.text().orNull,
                "The body as it came, of a rejected delivery its first 4 KiB; null where none is kept."),
        ]))

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", JSON(row.id))
            writer.member("provider", .string(row.provider))
            writer.member("app_id", JSON(row.appID))
            writer.member("received_at", JSON(row.receivedAt))
            writer.member("verdict", .string(row.verdict))
            writer.member("code", JSON(row.code))
            writer.member("reason", JSON(row.reason))
            writer.member("flags", .array(row.flags.map(JSON.string)))
            writer.member("method", .string(row.method))
            writer.member("target", .string(OutsideText.bounded(row.target, 4096)))
            writer.key("headers")
            writer.array { writer in
                for line in row.headers.split(separator: UInt8(ascii: "\n")).prefix(200) { Self.header(line, &writer) }
            }
            writer.member("remote", JSON(row.remote))
            writer.member("size", JSON(row.size))
            writer.member("event_id", JSON(row.eventID))
            if let body {
                writer.member("body_base64", JSON(body.map { String(decoding: Base64.encode($0), as: UTF8.self) }))
            }
        }
    }

    private static func header(_ line: ArraySlice<UInt8>, _ writer: inout JSONWriter) {
        let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
        writer.object { writer in
            writer.member("name", .string(OutsideText.bounded(line[..<colon], 256)))
            let value = line[colon...].dropFirst().drop { $0 == 0x20 }
            writer.member("value", .string(OutsideText.bounded(value, 4096)))
        }
    }
}
