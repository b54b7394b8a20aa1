public import Kit

/// SendGrid: e-mail, and what becomes of it.
public struct SendGrid: Provider {
    public let about = About(
        id: "sendgrid", name: "SendGrid", version: "v3",
        documentation: "https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event")

    public init() {}
}
