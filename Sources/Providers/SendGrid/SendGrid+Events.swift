import Kit

/// From a batch to its events. Source: twilio.com/docs/sendgrid/for-developers/tracking-events/event.
extension SendGrid {
    /// More than any batch has; what holds more is for a person.
    static let eventsMax = 5000

    /// Each event of the batch is one, whatever else came with it: SendGrid mixes them, and sends each again in other
    /// company.
    static func events(in delivery: Delivery) throws(Unreadable) -> [Event] {
        guard let ranges = JSONScan.elements(of: delivery.body, in: delivery.body.indices) else {
            throw Unreadable("The body is no list in JSON.")
        }
        guard ranges.count <= eventsMax else {
            throw Unreadable("The batch has \(ranges.count) events; \(eventsMax) are read at once.")
        }
        var events: [Event] = []
        for range in ranges { events.append(try event(at: range, in: delivery.body)) }
        return events
    }

    private static func event(at range: Range<Int>, in body: [UInt8]) throws(Unreadable) -> Event {
        let found: JSONScan.Found
        do { found = try scan.read(body, in: range) } catch { throw Unreadable(error.sentence) }
        guard let type = found.text(1), !type.isEmpty else { throw Unreadable("An event of the batch has no type.") }
        let at = found.integer(2).map(Timestamp.init(seconds:))
        // Some events of the account have no id: then what they say is what they are.
        let id = found.content(0).flatMap { $0.isEmpty ? nil : Array($0) }
        let name = id ?? Array(body[range])
        return Event(
            identity: EventIdentity(day: at?.day ?? 0, of: name),
            providerEventID: found.text(0).map { OutsideText.bounded($0) }, type: OutsideText.bounded(type),
            subject: found.text(3).map { OutsideText.bounded(message(of: $0)) }, occurredAt: at, body: range)
    }

    /// `sg_message_id` begins with the id that sending the message answered; what follows the first full stop differs
    /// from recipient to recipient.
    static func message(of id: String) -> String {
        String(decoding: Array(id.utf8.prefix { $0 != UInt8(ascii: ".") }), as: UTF8.self)
    }

    static let messageID = JSONScan([["sg_message_id"]])
    private static let scan = JSONScan([["sg_event_id"], ["event"], ["timestamp"], ["sg_message_id"]])
}
