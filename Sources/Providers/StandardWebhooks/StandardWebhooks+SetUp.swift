public import Kit

/// Set-up of one sender by settings, of more by the API.
extension StandardWebhooks: SelfExplaining {
    public var setUp: SetUp {
        SetUp(
            [
                .init(
                    "Give the sender this address", "`{address}`, and any events: all are kept and passed on."),
                .init(
                    "Give this server the sender's secret",
                    "`whsec_…` for a shared secret, `whpk_…` for an Ed25519 public key; several with commas between. "
                        + "Restart the server then.",
                    commands: ["STANDARD_WEBHOOKS_SECRET=whsec_…"]),
                .init(
                    "More senders", "Each gets an address and secrets of its own, while the server runs:",
                    commands: ["patchbay apps create standard-webhooks --name Acme --secrets acme.secret"]),
                .init(
                    "Check it", "Then let the sender send a test event, and look.",
                    commands: ["patchbay doctor", "patchbay events list --provider standard-webhooks"]),
            ], events: [],
            settings: [.init("STANDARD_WEBHOOKS_SECRET", "Without it `{address}` answers 404.")],
            documentation: "https://www.standardwebhooks.com")
    }
}
