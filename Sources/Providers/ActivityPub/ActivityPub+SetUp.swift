public import Kit

/// Set-up of an inbox that other servers post to.
extension ActivityPub: SelfExplaining {
    public var setUp: SetUp {
        SetUp(
            [
                .init(
                    "Say who you are",
                    "Your own server serves the actors. In each, `inbox` (or `sharedInbox` below "
                        + "`endpoints`) is `{address}`: what others send there is proven, kept and passed on."),
                .init(
                    "Say whose activities you take",
                    "`*` for every server, or hosts with commas between; `!host` leaves one out. Senders need no "
                        + "secret: each signs with its actor's key, which is fetched from the actor's own server. "
                        + "The address that is signed is this server's public one, so it must be set. Restart the "
                        + "server then.",
                    commands: ["ACTIVITYPUB_SERVERS=*\nPATCHBAY_PUBLIC_URL=https://patchbay.example.com"]),
                .init(
                    "Check it",
                    "Follow one of your actors from another server, and look. A test server takes samples of an actor "
                        + "on the same machine: `--key` makes its key and says what the server must be given.",
                    commands: [
                        "patchbay doctor", "patchbay trigger activitypub Follow --key actor-test.pem",
                        "patchbay events list --provider activitypub",
                    ]),
            ], events: [],
            settings: [
                .init(
                    "ACTIVITYPUB_SERVERS", "Whose activities are taken. Without it `{address}` answers 404.",
                    isNeeded: true)
            ],
            documentation: "https://docs.joinmastodon.org/spec/security/")
    }
}
