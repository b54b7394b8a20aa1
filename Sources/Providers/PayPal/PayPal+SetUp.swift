public import Kit

/// Set-up, in the words of PayPal's developer dashboard.
extension PayPal: SelfExplaining {
    public var setUp: SetUp {
        SetUp(
            [
                .init(
                    "Tell PayPal where to send",
                    "At developer.paypal.com: Apps & Credentials, choose Sandbox or Live, your app, Add webhook. The "
                        + "URL is `{address}`. Events come for what this app does, not for what another one did."),
                .init(
                    "Give this server the webhook's id",
                    "It is shown beside the address and is part of what PayPal signs; it is no secret. Sandbox and "
                        + "live have ids and certificates of their own. Restart the server then.",
                    commands: ["PAYPAL_WEBHOOK_ID=1JE4291016473214C\nPAYPAL_MODE=live"]),
                .init(
                    "Let it fetch PayPal's certificates",
                    "Each delivery names its certificate, which is fetched from PayPal's own hosts once a day, so this "
                        + "server must reach api.paypal.com (for the sandbox api.sandbox.paypal.com) over https."),
                .init(
                    "Or let it ask PayPal",
                    "With `PAYPAL_VERIFICATION=api` no certificate is fetched: PayPal is asked about each delivery, as "
                        + "the app that the webhook belongs to, whose client id and secret stand beside it at Apps & "
                        + "Credentials. While PayPal does not answer, it is told to send again.",
                    commands: ["PAYPAL_VERIFICATION=api\nPAYPAL_CLIENT_ID=…\nPAYPAL_CLIENT_SECRET=…"]),
                .init(
                    "Check it",
                    "Make a payment in the sandbox, and look. The dashboard's webhook simulator signs for no webhook "
                        + "of yours: its events are refused. A test server takes samples that are signed with a "
                        + "certificate of your own: `--key` makes it and says what the server must be given.",
                    commands: [
                        "patchbay doctor", "patchbay trigger paypal PAYMENT.CAPTURE.COMPLETED --key paypal-test.pem",
                        "patchbay events list --provider paypal",
                    ]),
            ], events: [],
            settings: [
                .init(
                    "PAYPAL_WEBHOOK_ID", "The webhook's id. Without it `{address}` answers 404.", isNeeded: true),
                .init("PAYPAL_MODE", "live or sandbox: whose certificates count."),
                .init(
                    "PAYPAL_VERIFICATION",
                    "`certificate`, or `api`: PayPal is asked about each delivery, which needs an app."),
                .init("PAYPAL_CLIENT_ID", "The app that asks; in the sandbox `PAYPAL_SANDBOX_CLIENT_ID`."),
                .init("PAYPAL_CLIENT_SECRET", "Its secret; in the sandbox `PAYPAL_SANDBOX_CLIENT_SECRET`."),
            ],
            documentation: "https://developer.paypal.com/api/rest/webhooks/")
    }
}
