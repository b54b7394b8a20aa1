import Kit

extension WebhookScheme {
    /// The scheme of both providers; they differ in the names of their headers.
    static func standard(_ signature: HMACScheme) -> WebhookScheme {
        WebhookScheme(
            .hmac(signature),
            secrets: .standard,
            // Each attempt is signed anew with its own time: an old one is a replay.
            tolerance: .init(past: .seconds(300), future: .seconds(300)),
            // The specification's example schedule ends after 75 hours; other senders take longer.
            repeatsFor: .days(5),
            handled: .none,
            events: { delivery throws(Unreadable) in [try event(in: delivery, signedAs: signature)] })
    }

    /// One event a delivery, whatever the body is: the signed id names it.
    ///
    /// Its day is 0: the signed time is that of the attempt, and a time in the body is not promised.
    private static func event(in delivery: Delivery, signedAs signature: HMACScheme) throws(Unreadable) -> Event {
        guard let id = signature.id(of: delivery) else { throw Unreadable("The message has no id.") }
        let found = try? scan.read(delivery.body)
        let type = found?.text(0).flatMap { $0.isEmpty ? nil : $0 }
        return Event(
            identity: EventIdentity(day: 0, of: id.utf8),
            providerEventID: OutsideText.bounded(id),
            type: OutsideText.bounded(type ?? "message"),
            occurredAt: found?.text(1).flatMap(Timestamp.init(rfc3339:)),
            body: delivery.body.indices)
    }

    private static let scan = JSONScan([["type"], ["timestamp"]])
}
