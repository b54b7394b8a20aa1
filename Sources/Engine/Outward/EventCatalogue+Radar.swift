extension EventCatalogue {
    static let radar = EventType(
        name: "provider.deprecated",
        what: "A platform ends something that is used here: told when it is announced without a day, 90 and 30 days "
            + "before the day, and when it has ended.",
        members: [
            .always("ending", .text, "Its name here, such as x/account-activity."),
            .always("provider", .text, "The platform."),
            .always("what", .words(["version", "endpoint", "metric", "events", "field"]), "What kind of thing ends."),
            .always("name", .text, "As the platform writes it."),
            .always("stage", .words(Radar.Stage.allCases.map(\.rawValue)), "How near the end is."),
            .orNull("ends_on", .text, "The first day on which it is gone, in UTC; null where none is named."),
            .always("is_about", .boolean, "Whether the platform names a span only."),
            .orNull("days_left", .integer, "Until then; 0 and less once it is gone."),
            .always("instead", .text, "What to do."), .always("source", .text, "The platform's page that says so."),
            .always("uses", .integer, "Calls and events of the last 30 days that used it."),
            .always("connections", .integer, "How many connections use it."),
        ])
}
