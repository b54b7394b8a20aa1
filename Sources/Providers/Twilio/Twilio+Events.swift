import Kit

/// One event a delivery: a status of a message or a call, or an inbound message.
///
/// Twilio gives its events no names, so the status is the name: `message.delivered`, `message.received`,
/// `call.completed`. A status comes once for each message: the message's sid and it are the identity; of a call many
/// requests have the same status, so there all that is signed is part of it. The header
/// `I-Twilio-Idempotency-Token` is not signed and not believed.
/// Source: twilio.com/docs/messaging/guides/track-outbound-message-status.
extension Twilio {
    static func events(in delivery: Delivery) throws(Unreadable) -> [Event] {
        let isForm = delivery.method == "GET" || SignedText.isForm(delivery.contentType) || delivery.contentType == nil
        guard isForm else { return [whole(delivery)] }
        guard let form = FormFields(delivery.body) else { throw Unreadable("The form has too many fields.") }
        for (sid, statuses, noun) in kinds {
            guard let id = try one(sid, in: form), let status = try statuses.firstText(in: form) else { continue }
            var parts = [noun, id, status].map { Array($0.utf8) }
            // A call asks again and again while it is in progress: what was gathered, where it goes on.
            if noun == "call" { parts.append(signed(delivery) ?? delivery.body) }
            return [
                Event(
                    identity: EventIdentity(day: 0, ofParts: parts), providerEventID: OutsideText.bounded(id),
                    type: OutsideText.bounded("\(noun).\(status)"),
                    account: try one("AccountSid", in: form).map { OutsideText.bounded($0) },
                    subject: OutsideText.bounded(id), body: delivery.body.indices)
            ]
        }
        return [whole(delivery)]
    }

    /// The field that names the thing, the fields in one of which its status stands, what it is.
    private static let kinds = [
        ("MessageSid", ["MessageStatus", "SmsStatus"], "message"), ("SmsSid", ["SmsStatus"], "message"),
        ("CallSid", ["CallStatus"], "call"),
    ]

    /// What else Twilio sends here is named by what is signed of it: of a form the fields, however they are written.
    private static func whole(_ delivery: Delivery) -> Event {
        Event(
            identity: EventIdentity(day: 0, of: signed(delivery) ?? delivery.body), type: "webhook",
            body: delivery.body.indices)
    }

    /// What is signed besides the address; nil for nothing. What cannot be read so was not believed.
    private static func signed(_ delivery: Delivery) -> [UInt8]? {
        guard let url = delivery.url, let text = try? SignedText.parameters(of: delivery, at: url) else { return nil }
        return text.isEmpty ? nil : text
    }

    /// - Throws: where it stands there twice: the signature does not say which of them counts.
    fileprivate static func one(_ name: String, in form: FormFields) throws(Unreadable) -> String? {
        let values = form.values(of: name)
        guard values.count < 2 else { throw Unreadable("\(name) stands in the form more than once.") }
        return values.first.flatMap { $0.isEmpty ? nil : String(decoding: $0, as: UTF8.self) }
    }
}

extension [String] {
    /// The text of the first of these fields that is there.
    fileprivate func firstText(in form: FormFields) throws(Unreadable) -> String? {
        for name in self {
            if let text = try Twilio.one(name, in: form) { return text }
        }
        return nil
    }
}
