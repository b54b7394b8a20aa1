import Kit

extension PayPal {
    /// One event a delivery, by its own id. The checksum in the signature guards against accidents, not against
    /// whoever holds one good delivery: so a transmission id is good for the body that came with it first, and for no
    /// other.
    static func events(in delivery: Delivery, areTests: Bool) throws(Unreadable) -> [Event] {
        let found: JSONScan.Found
        do { found = try scan.read(delivery.body) } catch { throw Unreadable(error.sentence) }
        guard let id = found.content(0), !id.isEmpty else { throw Unreadable("The event has no id.") }
        guard let type = found.text(1), !type.isEmpty else { throw Unreadable("The event has no event_type.") }
        let at = found.text(2).flatMap(Timestamp.init(rfc3339:))
        return [
            Event(
                identity: EventIdentity(day: at?.day ?? 0, of: id),
                providerEventID: found.text(0).map { OutsideText.bounded($0) }, type: OutsideText.bounded(type),
                // What belongs to one order keeps its order where PayPal names it.
                subject: (found.text(4) ?? found.text(3)).map { OutsideText.bounded($0) }, occurredAt: at,
                isTest: areTests, body: delivery.body.indices)
        ]
    }

    static let scan = JSONScan([
        ["id"], ["event_type"], ["create_time"], ["resource", "id"],
        ["resource", "supplementary_data", "related_ids", "order_id"],
    ])
}
