public import Kit

/// Set-up, in the words of Authorize.Net's Merchant Interface.
extension AuthorizeNet: SelfExplaining {
    public var setUp: SetUp {
        SetUp(
            [
                .init(
                    "Make a Signature Key",
                    "In the Merchant Interface: Account, Settings, API Credentials & Keys, New Signature Key. It is "
                        + "shown once, 128 characters; all of them are the key."),
                .init(
                    "Give this server the key",
                    "While it is replaced, both with a comma between. Restart the server then.",
                    commands: ["AUTHNET_SIGNATURE_KEY=0F1E2D3C…"]),
                .init(
                    "Tell Authorize.Net where to send",
                    "Account, Settings, Webhooks, Add Endpoint: the address `{address}`, status Active, all events."),
                .init("Check it", "Send a signed sample, and look.", commands: Self.check("authorize-net")),
            ], events: [],
            settings: [
                .init(
                    "AUTHNET_SIGNATURE_KEY", "The Signature Key as it is shown. Without it `{address}` answers 404.",
                    isNeeded: true)
            ],
            documentation: "https://developer.authorize.net/api/reference/features/webhooks.html")
    }

    private static func check(_ id: String) -> [String] {
        ["patchbay trigger \(id) net.authorize.payment.authcapture.created", "patchbay events list --provider \(id)"]
    }
}
