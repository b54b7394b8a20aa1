extension EventCatalogue {
    static let syncs: [EventType] = [
        EventType(name: "sync.completed", what: "A stream of an account was read.", members: run),
        EventType(
            name: "sync.failed", what: "A stream of an account could not be read. What is here stays as it is.",
            members: run + [
                .always("code", .text, "Why, in a word, such as needs_reconnect or pagination_loop."),
                .always("problem", .text, "The same in a sentence."),
                .always("who", .text, "Who must act: provider, operator, your_user or you."),
            ]),
        EventType(
            name: "record.changed",
            what: "A row of a stream is new, has changed or is gone. Told of streams in PATCHBAY_RECORD_CHANGES only.",
            members: [
                .always("provider", .text, "The platform."), .always("stream", .text, "Such as videos."),
                .always("key", .text, "The platform's own id of the row."),
                .always("what", .words(["new", "changed", "deleted"]), "What became of it."),
                .always("connection_id", .text, "The connection that was asked for it, conn_…"),
                .always("user_id", .text, "The application's user."),
                .always("version", .integer, "Of the row: the greater one is newer."),
                .always("observed_at", .time, "When the question left whose answer it is."),
            ]),
    ]
    private static let run: [Member] = [
        .always("sync_id", .text, "The run, sync_…"), .always("connection_id", .text, "The connection, conn_…"),
        .always("user_id", .text, "The application's user."), .always("provider", .text, "The platform."),
        .always("stream", .text, "Such as videos."),
        .always("reason", .words(["initial", "schedule", "manual", "webhook", "full"]), "Why it ran."),
        .always("lists_all", .boolean, "Whether it read everything, which is how deletions are found."),
        .always("pages", .integer, "Pages of the platform's list."), .always("rows", .integer, "Rows that it gave."),
        .always("new", .integer, "Rows that were not here."), .always("changed", .integer, "Rows that were otherwise."),
        .always("deleted", .integer, "Rows that are gone there."),
        .orNull("started_at", .time, "When its first question left."),
    ]
}
