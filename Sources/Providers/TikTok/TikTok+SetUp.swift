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
                    "Let people connect their accounts",
                    "Products: add Login Kit for Web, and as redirect URI `{redirect}`, to the letter; TikTok takes "
                        + "https only, without query or fragment. Add the permissions below that you need. Then make "
                        + "a link for one of your users.",
                    commands: ["patchbay connections connect tiktok --user user-42"]),
                .init(
                    "Let TikTok fetch files from here",
                    "Only for photos that are uploaded here, and videos with `source` `PULL_FROM_URL`. URL properties: "
                        + "verify the domain of `{server}`, or the prefix `{server}/v1/objects/`. Then name it.",
                    commands: ["TIKTOK_VERIFIED_URLS={server}/v1/objects/"]),
                .init(
                    "Pass the audit",
                    "Until TikTok has audited the app, five users a day may post, and only to accounts that are "
                        + "private, as `SELF_ONLY`. What is checked: the creator's name is shown, privacy is chosen by "
                        + "hand and has no default, interactions are off unless chosen, commercial content is "
                        + "disclosed, nothing is watermarked. A sandbox of the portal takes ten users and no public "
                        + "posts; there a refresh may be refused although the token is good."),
                .init(
                    "Know the limits",
                    "A minute: 600 reads of profile, list and query each for the app; 6 uploads, 20 looks at what a "
                        + "creator may do, 30 looks at a post's state for each account. A day: five drafts that wait "
                        + "in an inbox, about 15 posts for each creator over all apps."),
                .init(
                    "Check it", "Send a signed sample, and look.",
                    commands: [
                        "patchbay trigger tiktok post.publish.complete", "patchbay events list --provider tiktok",
                    ]),
            ], events: [],
            settings: [
                .init("TIKTOK_CLIENT_KEY", "The app's client key. Without it nobody can connect an account."),
                .init(
                    "TIKTOK_CLIENT_SECRET", "The app's client secret. Without it `{address}` answers 404.",
                    isNeeded: true),
                .init("TIKTOK_WEBHOOK_SECRET", "Instead of it, where another secret signs the webhooks."),
                .init("TIKTOK_VERIFIED_URLS", "What is verified for the app as yours, for files that TikTok fetches."),
            ],
            documentation: "https://developers.tiktok.com/doc/webhooks-overview")
    }
}
