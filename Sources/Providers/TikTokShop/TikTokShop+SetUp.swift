public import Kit

/// Set-up, in the words of TikTok Shop's Partner Center.
extension TikTokShop: SelfExplaining {
    public var setUp: SetUp {
        SetUp(
            [
                .init(
                    "Give this server the app's key and secret",
                    "Partner Center: App & Service, your app, Basic information. While the secret is replaced, both "
                        + "with a comma between. Restart the server then.",
                    commands: ["TIKTOK_SHOP_APP_KEY=…\nTIKTOK_SHOP_APP_SECRET=…"]),
                .init(
                    "Tell TikTok Shop where to send",
                    "In the app's Manage Webhook, or per shop by `PUT /event/202309/webhooks` with `event_type` and "
                        + "`address`: `{address}`. It must be a host name, without a port."),
                .init(
                    "Keep the header",
                    "The signature stands in `Authorization`, bare. A proxy in front must pass that header on."),
                .init(
                    "Check it", "Send a signed sample, and look.",
                    commands: [
                        "patchbay trigger tiktok-shop ORDER_STATUS_CHANGE",
                        "patchbay events list --provider tiktok-shop",
                    ]),
            ], events: [],
            settings: [
                .init("TIKTOK_SHOP_APP_KEY", "The app's key: what is signed begins with it.", isNeeded: true),
                .init(
                    "TIKTOK_SHOP_APP_SECRET", "The app's secret. Without it `{address}` answers 404.", isNeeded: true),
                .init(
                    Self.setting,
                    "`shop` unless a relay in front signs otherwise: `open` for `TikTok-Signature`, `timestamped` "
                        + "for `X-TikTok-Signature` with `X-TikTok-Timestamp`. One at a time."),
            ],
            documentation: "https://partner.tiktokshop.com/docv2/page/tts-webhooks-overview")
    }
}
