public import Kit

/// An event's own bytes, for whoever reads the values by which it is found.
public struct FindableContent: Sendable {
    public let provider: String
    public let bytes: [UInt8]
}

/// How far the index of findable values is, and with whose key it is made.
public struct EventTermsState: Sendable, Equatable {
    /// Of the key that its hashes are made with; nil where nothing is indexed yet.
    public let keyID: String?
}

extension Session {
    private static var keyFact: String { "event_terms_key" }
    private static var positionFact: String { "event_terms_to" }

    public func eventTermsState() throws -> EventTermsState {
        EventTermsState(keyID: try instanceFact(Self.keyFact))
    }

    /// Begins the index, where none was begun. What is there under another key must have gone before
    /// (`dropEventTerms`).
    public func beginEventTerms(key id: String) throws {
        try setInstanceFact(Self.keyFact, id)
        try setInstanceFact(Self.positionFact, "")
    }

    /// Deletes terms that were made with a key, at most `limit`, as long as the index is made with it.
    ///
    /// - Returns: how many; call again while it is `limit`.
    public func dropEventTerms(key id: String, limit: Int) throws -> Int {
        guard try holdsIndex(key: id) else { return 0 }
        return try run(
            """
            DELETE FROM event_terms
             WHERE (term, event_id) IN (SELECT term, event_id FROM event_terms LIMIT \(limit))
            """)
    }

    /// Whether the index is made with a key; until the commit no other is taken.
    private func holdsIndex(key id: String) throws -> Bool {
        let held = try row("SELECT value FROM instance WHERE key = \(Self.keyFact) \(dialect.forUpdate)") {
            try $0.text()
        }
        return held == id
    }

    /// Indexes the events behind those that are indexed: at most `limit`, and of their bytes about `bytesMax`. Events
    /// that another transaction may still bring before them wait until the next time.
    ///
    /// The events are held until the commit, so that none is erased between its reading and its terms.
    ///
    /// - Parameters:
    ///   - key: the index must be made with it, else nothing is done.
    ///   - terms: the hashes of an event's findable values.
    /// - Returns: how many were looked at; 0 when there is nothing left.
    public func indexEventTerms(
        key: String, at now: Timestamp, limit: Int, bytesMax: Int,
        _ terms: (FindableContent) -> [Int64]
    ) throws -> Int {
        guard try holdsIndex(key: key) else { return 0 }
        let head = try upToHead(ListPage(limit: limit, ascending: true), at: now).createdBefore ?? now
        let ids = try rows(
            """
            SELECT id FROM events
             WHERE id > \(try instanceFact(Self.positionFact) ?? "") AND id < \(ID<EventKind>.floor(head))
             ORDER BY id
             LIMIT \(limit) \(dialect.forUpdate)
            """
        ) { try $0.text() }
        guard !ids.isEmpty else { return 0 }
        let events = try events(where: "t.id IN (\(SQL.list(ids)))", limit: limit)
        let (bytes, read) = try wholePayloads(of: events, bytesMax: bytesMax)
        guard read > 0, let last = events.prefix(read).last else { return 0 }
        for event in events.prefix(read) {
            guard let content = bytes[event.id.text] else { continue }
            for term in terms(FindableContent(provider: event.provider, bytes: content)) {
                try run(
                    "INSERT INTO event_terms (term, event_id) VALUES (\(term), \(event.id)) ON CONFLICT DO NOTHING")
            }
        }
        try run(
            "UPDATE instance SET value = \(last.id.text) WHERE key = \(Self.positionFact) AND value < \(last.id.text)")
        return read
    }

    /// The bytes of events; those that are damaged are left out, so that one bad page of a disk keeps no event behind
    /// it from being found. Whoever opens such an event is told.
    ///
    /// - Returns: by the events' ids, and how many of the events were read: fewer than there are where their bytes come
    ///   to more than `bytesMax`, but always one.
    public func wholePayloads(of events: [EventRow], bytesMax: Int) throws -> (bytes: [String: [UInt8]], read: Int) {
        do { return try payloads(of: events, bytesMax: bytesMax) } catch StoreError.damaged {
            var whole: [String: [UInt8]] = [:]
            let some = events.prefix(Self.readAlone)
            for event in some {
                do { whole.merge(try payloads(of: [event], bytesMax: .max).bytes) { $1 } } catch StoreError.damaged {}
            }
            return (whole, some.count)
        }
    }
    /// Events that are read one by one beside a damaged one.
    private static var readAlone: Int { 20 }

    /// How many events have a term, at most `limit`.
    public func countEvents(withTerm term: Int64, atMost limit: Int) throws -> Int {
        try rows("SELECT event_id FROM event_terms WHERE term = \(term) LIMIT \(limit)") { _ in }.count
    }

    /// The terms of events that are gone, or about someone who was erased.
    func dropEventTerms(of events: [String]) throws {
        guard !events.isEmpty else { return }
        try run("DELETE FROM event_terms WHERE event_id IN (\(SQL.list(events)))")
    }
}
