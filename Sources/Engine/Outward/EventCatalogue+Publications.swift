extension EventCatalogue {
    static let publications: [EventType] = [
        ("publication.scheduled", "Content will go to an account at a time."),
        ("publication.step", "Content for an account has come further: uploading, processing."),
        ("publication.in_inbox", "A draft lies in an account's inbox: its owner must finish it."),
        ("publication.published", "Content was published to an account; told again when the platform names its id."),
        ("publication.failed", "Content could not be published to an account."),
        ("publication.unknown", "Nobody knows whether content was published; a review is open."),
        ("publication.cancelled", "Content was cancelled before it was published."),
    ].map { name, what in EventType(name: name, what: what, members: members) }

    private static let members: [Member] = [
        .always("publication_id", .text, "The publication, pub_…"),
        .always("target_id", .text, "Its place in one account, tgt_…"),
        .always("connection_id", .text, "The account, conn_…"), .orNull("user_id", .text, "The application's user."),
        .always("provider", .text, "The platform."), .always("state", .text, "As the API shows it."),
        .always("version", .integer, "Of the target: the greater one is newer."),
        .orNull("reason", .text, "Why, for people."), .orNull("code", .text, "The platform's word for it."),
        .orNull("who", .text, "Who must act."), .orNull("next_action", .text, "What happens next."),
        .orNull("next_at", .time, "When."),
        .orNull("provider_post_id", .text, "The platform's own id of what is to be seen."),
    ]
}
