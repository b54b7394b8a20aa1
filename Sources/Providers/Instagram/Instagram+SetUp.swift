public import Kit

/// Set-up, in the words of Meta's App Dashboard.
extension Instagram: SelfExplaining {
    public var setUp: SetUp {
        SetUp(
            [
                .init(
                    "Give this server the app secret and a verify token",
                    "App Dashboard: Instagram, API setup with Instagram login, Instagram app secret; for the login "
                        + "with Facebook: App settings, Basic, App secret. The verify token is any text that you "
                        + "choose. Set them first, and restart the server: Meta asks the address at once.",
                    commands: ["INSTAGRAM_APP_SECRET=…\nMETA_APP_SECRET=…\nMETA_VERIFY_TOKEN=…"]),
                .init(
                    "Tell Meta where to send",
                    "App Dashboard, Webhooks, object Instagram: Callback URL `{address}`, Verify token as set. Then "
                        + "subscribe to the fields that you want."),
                .init(
                    "Subscribe the account", "Once for each professional account, with its token:",
                    commands: [
                        """
                        curl -X POST "https://graph.instagram.com/v25.0/me/subscribed_apps\
                        ?subscribed_fields=comments,messages&access_token=$TOKEN"
                        """
                    ]),
                .init(
                    "Tell Meta where people's wishes go",
                    "App Dashboard: Instagram, API setup with Instagram login, Business login settings; for the login "
                        + "with Facebook: Facebook Login, Settings. Deauthorize callback URL "
                        + "`{server}/callbacks/meta/deauthorize`: the account's connections end. Data deletion request "
                        + "URL `{server}/callbacks/meta/data-deletion`: what is kept of the account is erased, and the "
                        + "person sees how far that is below `{server}/deletion/`. An app of `/v1/apps` has both "
                        + "addresses with its id behind: `…/deauthorize/app_…`."),
                .init(
                    "Publish the app", "While it is in development, only testers' accounts send anything."),
                .init(
                    "Check it", "Send a signed sample, and look.",
                    commands: ["patchbay trigger instagram comments", "patchbay events list --provider instagram"]),
            ], events: [],
            settings: [
                .init(
                    "META_APP_SECRET", "The Meta app's secret. Without it and the next `{address}` answers 404."),
                .init("INSTAGRAM_APP_SECRET", "The Instagram app's secret; both may be set, and both are tried."),
                .init(
                    "META_VERIFY_TOKEN",
                    "What you typed in the App Dashboard; without it the address cannot be verified."),
                .init(
                    "META_WEBHOOK_SHA1",
                    "`on` believes `X-Hub-Signature`, SHA-1, where no other signature is there. `off` unless set."),
                .init(
                    "META_WEBHOOK_ESCAPES",
                    "Meta signs letters beyond ASCII as escapes. Where a proxy in front writes them anew, `on` tries "
                        + "the signature once over the escapes. `off` unless set."),
            ],
            documentation: "https://developers.facebook.com/docs/instagram-platform/webhooks")
    }
}
