public import Kit

/// Set-up, in the words of TikTok's developer portal.
extension TikTok: SelfExplaining {
    public var setUp: SetUp {
        SetUp(
            [
                .init(
                    "Tell TikTok where to send",
                    "At developers.tiktok.com: Manage apps, your app, Products, Webhooks. The callback URL is "
                        + "`{address}`. All events of the app come there; TikTok does not ask the address anything "
                        + "first."),
                .init(
                    "Give this server the client secret",
                    "The webhooks are signed with it. While it is replaced, both with a comma between. Restart the "
                        + "server then.",
                    commands: ["TIKTOK_CLIENT_KEY=aw…\nTIKTOK_CLIENT_SECRET=…"]),
                .init(
                    "Check it", "Send a signed sample, and look.",
                    commands: [
                        "patchbay trigger tiktok post.publish.complete", "patchbay events list --provider tiktok",
                    ]),
            ], events: [],
            settings: [
                .init(
                    "TIKTOK_CLIENT_SECRET", "The app's client secret. Without it `{address}` answers 404.",
                    isNeeded: true),
                .init("TIKTOK_WEBHOOK_SECRET", "Instead of it, where another secret signs the webhooks."),
            ],
            documentation: "https://developers.tiktok.com/doc/webhooks-overview")
    }
}
