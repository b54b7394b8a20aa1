public import Kit

/// Set-up, in the words of X's developer documentation.
extension X: SelfExplaining {
    public var setUp: SetUp {
        SetUp(
            [
                .init(
                    "Give this server the consumer secret",
                    "In X's developer console: your app, Keys and tokens, API Key Secret. It is not the OAuth 2.0 "
                        + "client secret. Set it first, and restart the server: X asks the address with it at once.",
                    commands: ["X_CONSUMER_SECRET=…"]),
                .init(
                    "Tell X where to send",
                    "The address must have no port. X asks it with a `crc_token`, which this server answers, now and "
                        + "every hour; a wrong answer turns the webhook off.",
                    commands: [
                        """
                        curl https://api.x.com/2/webhooks -H "Authorization: Bearer $X_BEARER_TOKEN" \\
                          -H "Content-Type: application/json" -d '{"url":"{address}"}'
                        """
                    ]),
                .init(
                    "Subscribe",
                    "To each event of each user, by `POST /2/activity/subscriptions` with the webhook's id."),
                .init(
                    "Check it", "Send a signed sample, and look.",
                    commands: ["patchbay trigger x post.mention.create", "patchbay events list --provider x"]),
            ], events: [],
            settings: [
                .init(
                    "X_CONSUMER_SECRET", "The app's API Key Secret. Without it `{address}` answers 404.", isNeeded: true
                )
            ],
            documentation: "https://docs.x.com/x-api/webhooks/quickstart")
    }
}
