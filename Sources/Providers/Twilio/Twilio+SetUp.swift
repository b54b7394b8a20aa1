public import Kit

/// Set-up, in the words of Twilio's console.
extension Twilio: SelfExplaining {
    public var setUp: SetUp {
        SetUp(
            [
                .init(
                    "Give this server the auth token and its own address",
                    "The console's start page shows the primary auth token. Twilio signs the whole address that it "
                        + "calls, so `PATCHBAY_PUBLIC_URL` must be that address to the letter, a path before "
                        + "`/webhooks` included. While a token is replaced, both with a comma between. Restart the "
                        + "server then.",
                    commands: ["TWILIO_AUTH_TOKEN=…\nPATCHBAY_PUBLIC_URL=https://patchbay.example.com"]),
                .init(
                    "Tell Twilio where to send",
                    "Phone Numbers, your number, Messaging, A message comes in: Webhook, `{address}`, HTTP POST (GET "
                        + "is taken too). For the states of what you send, name it as `StatusCallback` with each "
                        + "message. Without credentials and without a `#` in it: whether those are signed is not "
                        + "documented."),
                .init(
                    "Check it", "Send a signed sample, and look.",
                    commands: [
                        "patchbay trigger twilio message.delivered", "patchbay events list --provider twilio",
                    ]),
            ], events: [],
            settings: [
                .init(
                    "TWILIO_AUTH_TOKEN", "The primary auth token. Without it `{address}` answers 404.", isNeeded: true),
                .init(
                    "TWILIO_SHARED_KEYS",
                    "For webhooks that are signed with shared keys: `webhooks_sharedkey_…:secret`, commas between."),
            ],
            documentation: "https://www.twilio.com/docs/usage/webhooks/webhooks-security")
    }
}
