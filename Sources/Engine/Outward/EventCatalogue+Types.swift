extension EventCatalogue {
    static let types: [EventType] =
        [received, subscriptionUpdated, userErased, changeErased, reconciled] + payments + connections + syncs + people
        + endpoints + publications + [radar]

    private static let userErased = EventType(
        name: "user.erased", what: "All that was kept of a user is erased.",
        members: [
            .always("erasure_id", .text, "The erasure with its receipt, era_…"),
            .always("user", .text, "The first 24 hex digits of the SHA-256 of the user's id: the id itself is erased."),
        ])

    private static let changeErased = EventType(
        name: "change.erased", what: "What this change told was about a user who was erased since.", members: [])

    private static let reconciled = EventType(
        name: "reconciliation.done", what: "What is stored was compared with what a platform says.",
        members: [
            .always("reconciliation_id", .text, "The comparison, recon_…"),
            .always("provider", .text, "The platform."),
            .always("stream", .text, "What was compared: events, subscriptions."),
            .always("since", .time, "From when."), .always("until", .time, "Up to when."),
            .always("matched", .integer, "What both have."),
            .always("missing_here", .integer, "What only the platform had; it is here now, unless it was a dry run."),
            .always("differing", .integer, "What stood otherwise here; it is put right, unless it was a dry run."),
            .always("dry_run", .boolean, "Whether it only counted."),
            .sometimes("connection_id", .text, "Of records: whose account, conn_…"),
            .sometimes("missing_there", .integer, "Of records: what only this side had."),
            .sometimes("moved", .integer, "Of records: rows of which only counts differed."),
        ])

    private static let received = EventType(
        name: "event.received", what: "A platform told us something, and it was believed.",
        members: [
            .always("id", .text, "The event, evt_…"),
            .sometimes("delivery_id", .text, "The delivery that brought it, dlv_…"),
            .always("provider", .text, "The platform."),
            .always("type", .text, "What the platform calls it."),
            .orNull("provider_event_id", .text, "The platform's own id of it."),
            .orNull("occurred_at", .time, "When it happened, as the platform says."),
            .always("received_at", .time, "When it came."), .orNull("user_id", .text, "The application's user."),
            .orNull("connection_id", .text, "The connection that it belongs to."),
            .sometimes("payload", .anything, "The platform's bytes as they came; left out above 20 KB."),
            .sometimes("payload_base64", .text, "The same where they are not JSON; `payload` is null then."),
        ])

    private static let subscriptionUpdated: EventType = {
        let summary: [Member] = [
            .orNull("status", .text, "As the application compares it, such as active or past_due; null without one."),
            .orNull("plan", .text, "Which plan."), .orNull("current_period_end", .time, "Until when it is paid."),
            .always("cancel_at_period_end", .boolean, "Whether it ends then."),
            .orNull("payment_method", .text, "What it is paid with."),
        ]
        return EventType(
            name: "user.subscription_updated", what: "What a user may use has changed.",
            members: [
                .always("user_id", .text, "The application's user."),
                .always("version", .integer, "Of the user's summary: the greater one is newer."),
                .orNull("provider", .text, "The platform of the subscription that counts."),
                .orNull("subscription_id", .text, "The subscription that counts."),
                .orNull(
                    "event_id", .text, "The event that led to it; null where somebody said whose a customer is."),
                .sometimes("provisional", .boolean, "Whether the platform has yet to confirm the status."),
                .sometimes("unclear", .boolean, "Whether its events contradict each other."),
            ] + summary + [.always("previous", .object(summary), "What was so before.")])
    }()

    private static let payments: [EventType] = [
        ("payment.succeeded", "A payment was taken."), ("payment.failed", "A payment was refused."),
        ("payment.refunded", "Money went back, in part or whole."), ("payment.disputed", "A payer disputes a payment."),
        ("payment.unknown", "Whether a payment was taken is not known; a review is open."),
    ].map { name, what in
        EventType(
            name: name, what: what,
            members: [
                .always("payment_id", .text, "The platform's id of the payment."),
                .always("provider", .text, "The platform."), .always("version", .integer, "Of the payment."),
                .orNull("user_id", .text, "The application's user."),
                .orNull("customer", .text, "The platform's customer."),
                .orNull("status", .text, "In the platform's words."), .sometimes("outcome", .text, "In ours."),
                .orNull("amount", .money, "What is paid."), .orNull("refunded", .money, "What went back."),
                .orNull("dispute", .text, "Where the dispute stands."), .orNull("problem", .text, "Why it failed."),
                .sometimes("event_id", .text, "The event that told us."),
            ])
    }

    private static let connections: [EventType] = [
        EventType(
            name: "connection.connected", what: "An account is connected, for the first time or again.",
            members: connection + [.always("is_new", .boolean, "False where the connection was there before.")]),
        EventType(
            name: "connection.needs_attention",
            what: "A connection works, and will not for ever: somebody must do something.",
            members: connection + [.always("reason", .text, "Such as ending_soon; docs: Connect, \"Health\".")]),
        EventType(
            name: "connection.needs_reconnect", what: "A connection no longer works. Its user must connect again.",
            members: connection + [.always("reason", .text, "Such as refresh_refused.")]),
        EventType(
            name: "connection.revoked", what: "A connection was taken back, here or at the platform.",
            members: connection + [.always("reason", .text, "By whom or why: disconnected, …")]),
    ]
    private static let connection: [Member] = [
        .always("connection_id", .text, "The connection, conn_…"),
        .always("user_id", .text, "The application's user."), .always("provider", .text, "The platform."),
        .always("state", .text, "As the API shows it."), .always("version", .integer, "The greater one is newer."),
        .orNull("ends_at", .time, "When it ends unless the account's owner connects again."),
        .always("missing_scopes", .anything, "What was asked for and not granted: a list of the platform's words."),
    ]

    private static let people: [EventType] = [
        EventType(
            name: "review.opened", what: "Something waits for a person's decision.",
            members: review + [.always("question", .text, "What is to be decided.")]),
        EventType(
            name: "review.decided", what: "A person has decided.",
            members: review + [
                .always("decision", .text, "Which choice was taken."), .sometimes("by", .text, "By whom."),
            ]),
        EventType(
            name: "alert.raised", what: "Something that someone should know of.",
            members: alert + [.always("summary", .text, "What is wrong.")]),
        EventType(name: "alert.resolved", what: "It is over.", members: alert),
    ]
    private static let review: [Member] = [
        .always("id", .text, "The review, rev_…"), .always("kind", .text, "Such as event_without_user."),
        .always("subject", .text, "What it is about."),
    ]
    private static let alert: [Member] = [
        .always("id", .text, "The alert, alr_…"), .always("kind", .text, "Which condition."),
        .always("subject", .text, "What it is about."),
    ]

    private static let endpoints: [EventType] = [
        EventType(
            name: "endpoint.failing", what: "An endpoint takes nothing and will be disabled if that goes on.",
            members: endpoint + [
                .orNull("failing_since", .time, "The first failure after the last success."),
                .always("warning", .integer, "1, 2 or 3: half, seven tenths, nine tenths of the time have passed."),
                .always("disabled_at", .time, "When it will be disabled."),
            ]),
        EventType(
            name: "endpoint.disabled", what: "Nothing is sent to an endpoint any more.",
            members: endpoint + [
                .orNull("failing_since", .time, "The first failure after the last success."),
                .always("reason", .text, "Why."),
            ]),
        EventType(
            name: "endpoint.change_dropped", what: "An endpoint did not take a change, and it is not tried any more.",
            members: endpoint + [
                .always("change_id", .text, "The change, chg_…: ask for it again when the endpoint is well."),
                .always("change_type", .text, "Its type."), .always("position", .integer, "Its place in the feed."),
                .orNull("ordering_key", .text, "Whose order it kept, at endpoints that ask for order."),
                .always("attempts", .integer, "How often it was tried."),
            ]),
        EventType(
            name: "endpoint.test", what: "Somebody tries an endpoint; nothing has happened.",
            members: [.always("endpoint_id", .text, "The endpoint, ep_…")]),
    ]
    private static let endpoint: [Member] = [
        .always("endpoint_id", .text, "The endpoint, ep_…"), .always("url", .text, "Its address, without the query."),
    ]
}
