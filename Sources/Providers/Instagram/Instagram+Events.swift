import Kit

/// From a delivery to its facts, up to a thousand: each change of each entry, each message.
///
///     {"object":"instagram","entry":[{"id":"1784…","time":1795255200,"changes":[{"field":"comments","value":{…}}]}]}
///
/// Meta sends no event ids, and `time` may be that of the sending. So a fact is named by its account, its field and
/// its bytes, in which the ids of comments, media and messages stand; by the time too where none of these does.
/// Source: developers.facebook.com/docs/instagram-platform/webhooks/examples.
extension Instagram {
    static func events(in delivery: Delivery) throws(Unreadable) -> [Event] {
        let body = delivery.body
        var facts: [Fact] = []
        do {
            // Some of Meta's pages show the whole in an array.
            for envelope in JSONScan.elements(of: body, in: body.indices) ?? [body.indices] {
                guard let entries = try Self.envelope.read(body, in: envelope)[0] else { continue }
                for entry in JSONScan.elements(of: body, in: entries.range) ?? [] {
                    facts += try Self.facts(of: Entry(try Self.entry.read(body, in: entry), entry, body), body)
                }
            }
        } catch { throw Unreadable(error.sentence) }
        guard !facts.isEmpty else { throw Unreadable("The delivery holds no entry.") }
        return facts.map { $0.event(in: body) }
    }

    private static let envelope = JSONScan([["entry"]])
    private static let entry = JSONScan([
        ["id"], ["time"], ["changes"], ["messaging"], ["standby"], ["field"], ["value"],
    ])

    /// What the facts of an entry share.
    private struct Entry {
        let found: JSONScan.Found
        let range: Range<Int>
        let account: String?
        /// The account as sent.
        let accountBytes: [UInt8]
        let time: Int64?

        init(_ found: JSONScan.Found, _ range: Range<Int>, _ body: [UInt8]) {
            self.found = found
            self.range = range
            accountBytes = found[0].map { Array(body[$0.range]) } ?? []
            account = found.text(0) ?? (accountBytes.isEmpty ? nil : String(decoding: accountBytes, as: UTF8.self))
            time = found.integer(1)
        }
    }

    private static func facts(of entry: Entry, _ body: [UInt8]) throws(JSON.Problem) -> [Fact] {
        var facts: [Fact] = []
        for change in elements(entry, 2, body) { facts.append(try Fact(change: change, of: entry, body)) }
        for message in elements(entry, 3, body) { facts.append(try Fact(message: message, of: entry, body)) }
        for message in elements(entry, 4, body) {
            facts.append(try Fact(message: message, of: entry, body, field: "standby"))
        }
        // With Instagram's own login, field and value stand in the entry itself. Whatever else it holds is one fact.
        return facts.isEmpty ? [try Fact(change: entry.range, of: entry, body)] : facts
    }

    private static func elements(_ entry: Entry, _ path: Int, _ body: [UInt8]) -> [Range<Int>] {
        entry.found[path].flatMap { JSONScan.elements(of: body, in: $0.range) } ?? []
    }

    private struct Fact {
        let field: String
        let range: Range<Int>
        let entry: Entry
        /// The platform's id of what it is about; nil where the fact names none.
        let id: String?
        let milliseconds: Int64?

        private static let change = JSONScan([
            ["field"], ["value", "id"], ["value", "comment_id"], ["value", "media_id"], ["value", "message", "mid"],
        ])
        init(change range: Range<Int>, of entry: Entry, _ body: [UInt8]) throws(JSON.Problem) {
            let found = try Self.change.read(body, in: range)
            field = found.text(0) ?? "entry"
            id = (1...4).lazy.compactMap(found.text).first
            milliseconds = nil
            (self.range, self.entry) = (range, entry)
        }

        /// What a message carries says which subscription sent it.
        private static let kinds = [
            ("message", "messages"), ("message_edit", "message_edit"), ("reaction", "message_reactions"),
            ("read", "messaging_seen"), ("postback", "messaging_postbacks"), ("referral", "messaging_referral"),
            ("optin", "messaging_optins"), ("pass_thread_control", "messaging_handover"),
            ("take_thread_control", "messaging_handover"),
        ]
        private static let message = JSONScan(
            [["timestamp"], ["message", "mid"], ["message_edit", "mid"], ["reaction", "mid"], ["read", "mid"]]
                + kinds.map { [$0.0] })
        init(message range: Range<Int>, of entry: Entry, _ body: [UInt8], field: String? = nil) throws(JSON.Problem) {
            let found = try Self.message.read(body, in: range)
            let kind = Self.kinds.indices.first { found[5 + $0] != nil }.map { Self.kinds[$0].1 }
            self.field = field ?? kind ?? "messaging"
            id = (1...4).lazy.compactMap(found.text).first
            milliseconds = found.integer(0)
            (self.range, self.entry) = (range, entry)
        }

        func event(in body: [UInt8]) -> Event {
            let isNamed = id != nil || milliseconds != nil
            return Event(
                identity: EventIdentity(
                    day: 0,
                    ofParts: [
                        entry.accountBytes, Array(field.utf8), Array(body[range]),
                        isNamed ? [] : Array(String(entry.time ?? 0).utf8),
                    ]),
                providerEventID: id.map { OutsideText.bounded($0) }, type: OutsideText.bounded(field),
                account: entry.account.map { OutsideText.bounded($0) }, occurredAt: occurredAt,
                // The button of Meta's dashboard sends from an account of this number.
                isTest: entry.account == "0", body: range)
        }

        /// Seconds for changes, milliseconds for messages: no second of this century has twelve digits.
        private var occurredAt: Timestamp? {
            guard let time = milliseconds ?? entry.time else { return nil }
            return time > 99_999_999_999 ? Timestamp(milliseconds: time) : Timestamp(seconds: time)
        }
    }
}
