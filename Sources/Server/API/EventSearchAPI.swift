import Engine
import Kit
import Store

/// Events by what their contents say: words and places, read slice by slice.
enum EventSearchAPI {
    static let search = Action(
        "searchEvents", "Search events by their contents",
        notes:
            "Reads contents, the newest first, for less than a second; answers what it found and how far it came. Go "
            + "on with `next_cursor` until it is null: an answer without hits is no end. For an order, a customer or "
            + "an e-mail address, `find` of /v1/events answers at once.",
        .needs(.read, "events"),
        query: [
            Parameter("limit", .integer(1...100), "Hits an answer, 20 unless said."),
            Parameter("cursor", .line(1...1024), "From `next_cursor` of the answer before, with the same search."),
            Parameter(
                "words", .line(1...512).example("sourdough"),
                "Each must stand in the content, in a name or a value, whatever its capitals; what stands in double "
                    + "quotes is one, blanks and all. Ten at most.", isInExample: true),
            Parameter(
                "json", .line(1...512),
                "A place and what it holds: `$.data.object.lines[*].id=il_1`; without `=…` the place must be there."),
        ] + Paging.times + EventsAPI.filters,
        answers: [.ok("What was found, and how far the search is.", SearchedView.schema)], problems: [.invalidCursor]
    ) { request in
        let (page, condition) = (try request.page(), try request.contentCondition)
        let scan = ContentScan(
            for: condition, among: request.eventFilter, since: page.createdAfter, until: page.createdBefore,
            in: request.app.database, time: request.app.time)
        let slice = try await scan.slice(before: page.after.map { ID(stored: $0) }, hitsMax: page.limit)
        return .json(
            200, SearchedView(slice: slice, next: slice.through.map { request.nextCursor(after: $0.text, page) }))
    }
}

extension APIRequest {
    fileprivate var contentCondition: ContentCondition {
        get throws(Problem) {
            let text = queryText("json")
            let place = text.flatMap { ContentCondition.Place($0) }
            guard text == nil || place != nil else {
                throw Problem(
                    .invalidQuery,
                    [FieldProblem("json", "is no place, such as $.data.object.id=in_1 or $.data.object.lines[*].id.")])
            }
            guard let condition = ContentCondition(words: queryText("words"), place: place) else {
                throw Problem(
                    .invalidQuery, [FieldProblem("words", "or json must say something, or every event would be a hit.")]
                )
            }
            return condition
        }
    }
}

struct SearchedView: View {
    let slice: ContentScan.Slice
    let next: String?

    static let schema = Schema.named(
        "EventSearch",
        .object([
            .required(
                "data",
                .array(
                    of: .object([
                        .required("excerpt", .text(), "The part of the content that says it."),
                        .required("event", EventView.schema, "The event."),
                    ])), "The hits, newest first."),
            .required("next_cursor", Schema.text().orNull, "To go on; null when the whole range has been read."),
            .required(
                "searched",
                .object([
                    .required("events", .integer(), "Events whose content was read for this answer."),
                    .required("through", Schema.time.orNull, "When the last of them came; null at the end."),
                    .required("percent", .integer(0...100), "How much of the time range is done."),
                ]), "How far the search is."),
        ]))

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("data")
            writer.array { writer in
                for hit in slice.hits {
                    writer.object { writer in
                        writer.member("excerpt", .string(hit.excerpt))
                        writer.key("event")
                        EventView(row: hit.event, payload: hit.bytes).write(to: &writer)
                    }
                }
            }
            writer.member("next_cursor", JSON(next))
            writer.member(
                "searched",
                [
                    "events": JSON(slice.looked), "through": JSON(slice.through?.madeAt),
                    "percent": JSON(Int64(slice.percent)),
                ])
        }
    }
}
