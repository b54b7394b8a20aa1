import Kit

/// From a delivery to its events: one of the X Activity API, several of the older Account Activity API.
/// Source: docs.x.com/x-api/activity/introduction, docs.x.com/x-api/account-activity/introduction.
extension X {
    static func events(in delivery: Delivery) throws(Unreadable) -> [Event] {
        let found: JSONScan.Found
        do { found = try envelope.read(delivery.body) } catch { throw Unreadable(error.sentence) }
        if let activity = activity(found, delivery.body) { return [activity] }
        let account = found.text(4)
        var events: [Event] = []
        for (number, name) in lists.enumerated() {
            guard let value = found[firstList + number] else { continue }
            for fact in JSONScan.elements(of: delivery.body, in: value.range) ?? [value.range] {
                events.append(event(name, fact, of: account, delivery.body))
            }
        }
        guard events.isEmpty else { return events }
        guard delivery.body.first(where: { $0 > 0x20 }) == UInt8(ascii: "{") else {
            throw Unreadable("The delivery is no JSON object.")
        }
        // A kind that this program does not know: kept whole and passed on.
        return [event("unknown", delivery.body.indices, of: account, delivery.body)]
    }

    /// The kinds of facts of the Account Activity API.
    static var accountActivity: [String] { lists.filter { $0 != "replay_job_status" } }

    private static let lists = [
        "tweet_create_events", "tweet_delete_events", "favorite_events", "follow_events", "block_events", "mute_events",
        "direct_message_events", "direct_message_indicate_typing_events", "direct_message_mark_read_events",
        "user_event", "replay_job_status",
    ]
    private static let firstList = 7
    private static let envelope = JSONScan(
        [
            ["data", "event_uuid"], ["data", "event_type"], ["data", "filter", "user_id"],
            ["data", "payload", "created_at"], ["for_user_id"], ["data"], ["data", "payload", "date_time"],
        ] + lists.map { [$0] })

    /// An event of the X Activity API, whose `event_uuid` is the same in every repetition.
    private static func activity(_ found: JSONScan.Found, _ body: [UInt8]) -> Event? {
        guard let uuid = found.content(0), !uuid.isEmpty, let type = found.text(1), !type.isEmpty,
            let data = found[5]
        else { return nil }
        return Event(
            identity: EventIdentity(day: 0, of: uuid),
            providerEventID: found.text(0).map { OutsideText.bounded($0) }, type: OutsideText.bounded(type),
            account: found.text(2).map { OutsideText.bounded($0) },
            occurredAt: (found.text(3) ?? found.text(6)).flatMap(Timestamp.init(rfc3339:)), body: data.range)
    }

    /// A fact of the Account Activity API. Two users who share it get a delivery each, so the user belongs to its name.
    private static func event(_ type: String, _ fact: Range<Int>, of account: String?, _ body: [UInt8]) -> Event {
        let found = try? inner.read(body, in: fact)  // The whole was read before.
        let id = found?.content(0) ?? found?.content(1) ?? found?.content(2)
        let milliseconds = (found?.text(3) ?? found?.text(4)).flatMap { Int64($0) }
        let name = id.map(Array.init) ?? Array(body[fact])
        return Event(
            identity: EventIdentity(day: 0, ofParts: [Array((account ?? "").utf8), Array(type.utf8), name]),
            providerEventID: id.map { OutsideText.bounded(String(decoding: $0, as: UTF8.self)) }, type: type,
            account: account.map { OutsideText.bounded($0) },
            occurredAt: milliseconds.map(Timestamp.init(milliseconds:)),
            body: fact)
    }

    private static let inner = JSONScan([
        ["id_str"], ["id"], ["status", "id"], ["created_timestamp"], ["timestamp_ms"],
    ])
}
