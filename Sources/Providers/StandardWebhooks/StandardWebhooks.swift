public import Kit

/// Any sender that signs as Standard Webhooks 1.0.0 says.
public struct StandardWebhooks: WebhookSource {
    public let about = About(
        id: "standard-webhooks", name: "Standard Webhooks", version: "1.0.0",
        documentation: "https://www.standardwebhooks.com")

    public init() {}

    public var webhooks: WebhookScheme { Self.scheme }
    private static let scheme = WebhookScheme.standard(StandardSignature.scheme)
}

/// The same by its older names, `svix-id` and so on, which Svix and its customers still send.
public struct Svix: WebhookSource {
    public let about = About(
        id: "svix", name: "Svix", version: "1.0.0",
        documentation: "https://docs.svix.com/receiving/verifying-payloads/how-manual")

    public init() {}

    public var webhooks: WebhookScheme { Self.scheme }
    private static let scheme = WebhookScheme.standard(StandardSignature.svix)
}

extension StandardWebhooks: SampleSource {
    public var samples: [WebhookSample] { WebhookSample.standard }
}

extension Svix: SampleSource {
    public var samples: [WebhookSample] { WebhookSample.standard }
}

extension WebhookSample {
    /// The shape that the specification recommends.
    fileprivate static let standard = [
        WebhookSample("message.delivered") { with in
            .json([
                "type": "message.delivered", "timestamp": .string(with.at.rfc3339),
                "data": ["id": .string(with.id("sample_"))],
            ])
        }
    ]
}
