import Engine
import Kit
import Store

/// The radar: what ends at platforms, when, and who uses it.
enum RadarAPI {
    static let list = Action(
        "listEndings", "List what platforms end",
        notes: "What has ended first, then by days, then what has no day yet. Uses are those of the last 30 days, "
            + "counted once an hour. One page.",
        .needs(.read, "radar"), answers: [.list(of: EndingView.schema)]
    ) { request in
        let items = try await request.app.radar.items(at: request.now)
        return request.list(items, ListPage(limit: 1000), id: \.declared.key, EndingView.init)
    }
}

struct EndingView: View {
    let item: Radar.Item

    static let schema = Schema.named(
        "Ending",
        .object([
            .required("id", .text(), "Its name here, such as `x/account-activity`."),
            .required("provider", .text(), "The platform."),
            .required("what", .words(Ending.kinds), "What kind of thing ends."),
            .required("name", .text(), "As the platform writes it."),
            .required("stage", .words(Radar.Stage.allCases.map(\.rawValue)), "How near the end is."),
            .required("ends_on", Schema.text().orNull, "The first day on which it is gone, in UTC; null for none."),
            .required("is_about", .boolean, "Whether the platform names a span only."),
            .required("days_left", Schema.integer().orNull, "Until then; 0 and less once it is gone."),
            .required("instead", .text(), "What to do."),
            .required("source", .text(), "The platform's page that says so."),
            .required("uses", .integer(), "Calls and events of the last 30 days that used it."),
            .required("last_used_at", Schema.time.orNull, "The latest of them."),
            .required("connections", .integer(), "How many connections use it."),
            .required(
                "used_by",
                .array(
                    of: .object([
                        .required("connection_id", Schema.text().orNull, "The connection; null where there is none."),
                        .required("user_id", Schema.text().orNull, "Its user; null once it is gone."),
                        .required("uses", .integer(), "In the last 30 days."),
                        .required("last_used_at", .time, "The latest of them."),
                    ])), "Those that use it most, 20 at most."),
        ]))

    func write(to writer: inout JSONWriter) {
        let ending = item.declared.ending
        writer.value([
            "id": .string(item.declared.key), "provider": .string(item.declared.platform.id),
            "what": .string(ending.kind), "name": .string(ending.name), "stage": .string(item.stage.rawValue),
            "ends_on": JSON(ending.on?.description), "is_about": .bool(ending.isAbout),
            "days_left": JSON(item.daysLeft), "instead": .string(ending.instead), "source": .string(ending.source),
            "uses": JSON(item.use.uses), "last_used_at": JSON(item.use.lastAt),
            "connections": JSON(item.use.connections),
            "used_by": .array(
                item.users.map { user in
                    [
                        "connection_id": JSON(user.connection), "user_id": JSON(user.userID),
                        "uses": JSON(user.uses), "last_used_at": JSON(user.lastAt),
                    ]
                }),
        ])
    }
}
