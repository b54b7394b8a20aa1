public import Kit

/// Samples of the status callbacks, an inbound message, a call.
extension Twilio: SampleSource {
    public var samples: [WebhookSample] { Self.statuses + [Self.inbound, Self.call] }

    private static let statuses = ["queued", "sent", "delivered", "undelivered", "failed", "read", "canceled"].map {
        status in
        WebhookSample("message.\(status)") { with in
            let sid = "SM" + with.digits(32)
            let failure = ["undelivered", "failed"].contains(status) ? [Field("ErrorCode", "30003")] : []
            return .form(
                [
                    Field("SmsSid", sid), Field("SmsStatus", status), Field("MessageStatus", status),
                    Field("To", "+15005550006"), Field("MessageSid", sid), Field("AccountSid", "AC" + with.digits(32)),
                    Field("From", "+15005550001"), Field("ApiVersion", "2010-04-01"),
                ] + failure)
        }
    }

    private static let inbound = WebhookSample("message.received") { with in
        let sid = "SM" + with.digits(32)
        return .form([
            Field("ToCountry", "US"), Field("SmsMessageSid", sid), Field("NumMedia", "0"), Field("FromCity", ""),
            Field("SmsSid", sid), Field("SmsStatus", "received"), Field("Body", "Is there rye today?"),
            Field("To", "+15005550001"), Field("NumSegments", "1"), Field("MessageSid", sid),
            Field("AccountSid", "AC" + with.digits(32)), Field("From", "+15005550006"),
            Field("ApiVersion", "2010-04-01"),
        ])
    }

    private static let call = WebhookSample("call.completed") { with in
        .form([
            Field("CallSid", "CA" + with.digits(32)), Field("AccountSid", "AC" + with.digits(32)),
            Field("From", "+15005550006"), Field("To", "+15005550001"), Field("CallStatus", "completed"),
            Field("ApiVersion", "2010-04-01"), Field("Direction", "inbound"), Field("CallDuration", "12"),
        ])
    }
}
