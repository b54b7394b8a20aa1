public import Kit

/// What X has announced to end, as far as it reaches us. Source of all: docs.x.com/x-api/account-activity/introduction,
/// which marks the Account Activity API as deprecated and names no day.
extension X: Ageing {
    public var endings: [Ending] {
        [
            Ending(
                "account-activity", .events(Self.accountActivity), on: nil,
                instead:
                    "Subscribe to the same through the X Activity API: one event a delivery, each with an event_uuid.",
                source: "https://docs.x.com/x-api/account-activity/introduction")
        ]
    }
}
