public import Kit

/// Set-up, in the words of Braintree's Control Panel.
extension Braintree: SelfExplaining {
    public var setUp: SetUp {
        SetUp(
            [
                .init(
                    "Give this server an API key pair",
                    "Control Panel, settings, API: a public and a private key. While they are replaced, both pairs, "
                        + "commas between, in the same order. Set them first, and restart the server: Braintree asks "
                        + "the address with a challenge at once.",
                    commands: ["BRAINTREE_PUBLIC_KEY=…\nBRAINTREE_PRIVATE_KEY=…"]),
                .init(
                    "Tell Braintree where to send",
                    "Settings, API, Webhooks, Create new webhook: Destination URL `{address}`, and all notifications."),
                .init(
                    "Check it", "Send a signed sample, and look. Braintree's own Check URL sends `check`.",
                    commands: [
                        "patchbay trigger braintree subscription_charged_successfully",
                        "patchbay events list --provider braintree",
                    ]),
            ], events: [],
            settings: [
                .init("BRAINTREE_PUBLIC_KEY", "Names the key in each signature.", isNeeded: true),
                .init(
                    "BRAINTREE_PRIVATE_KEY", "Proves the notifications. Without both `{address}` answers 404.",
                    isNeeded: true),
            ],
            documentation: "https://developer.paypal.com/braintree/docs/guides/webhooks/overview")
    }
}
