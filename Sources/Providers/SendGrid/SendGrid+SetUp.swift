public import Kit

/// Set-up, in the words of SendGrid's console.
extension SendGrid: SelfExplaining {
    public var setUp: SetUp {
        SetUp(
            [
                .init(
                    "Tell SendGrid where to send",
                    "In the console: Settings, Mail Settings, Event Webhooks, Create new webhook. The Post URL is "
                        + "`{address}`. Choose the events, and leave OAuth off."),
                .init(
                    "Have it sign, and give this server the key",
                    "In the same place: Security features, Enable Signed Event Webhook, Save. The verification key "
                        + "that it shows then is public. While it is made anew, both with a comma between. Restart "
                        + "the server then.",
                    commands: ["SENDGRID_WEBHOOK_PUBLIC_KEY=MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE…"]),
                .init(
                    "Check it", "Press Test Integration there, and look.",
                    commands: ["patchbay doctor", "patchbay events list --provider sendgrid"]),
            ], events: [],
            settings: [
                .init(
                    "SENDGRID_WEBHOOK_PUBLIC_KEY", "The verification key. Without it `{address}` answers 404.",
                    isNeeded: true)
            ],
            documentation: "https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event")
    }
}
