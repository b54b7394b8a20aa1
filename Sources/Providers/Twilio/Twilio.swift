public import Kit

/// Twilio: messages and calls.
public struct Twilio: Provider {
    public let about = About(
        id: "twilio", name: "Twilio", version: "2010-04-01",
        documentation: "https://www.twilio.com/docs/usage/webhooks/webhooks-security")

    public init() {}
}
