public import Kit

/// An event's own bytes, for whoever reads the values by which it is found.
public struct FindableContent: Sendable {
    public let id: ID<EventKind>
    public let provider: String
    public let bytes: [UInt8]
    /// Of the body in which they lie.
    let checksum: Int64
}

/// The next events to be indexed.
public struct UnindexedEvents: Sendable {
    /// Those whose bytes are kept and whole.
    public let contents: [FindableContent]
    /// How many events these stand for.
    public let count: Int
    /// Up to where the index was, and will be.
    let (from, to): (String, String)
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

    /// The events behind those that are indexed: at most `limit`, and of their bytes about `bytesMax`. Events that
    /// another transaction may still bring before them wait until the next time.
    ///
    /// - Returns: nil when there is nothing left.
    public func eventsToIndex(at now: Timestamp, limit: Int, bytesMax: Int) throws -> UnindexedEvents? {
        let head = try upToHead(ListPage(limit: limit, ascending: true), at: now).createdBefore ?? now
        let from = try instanceFact(Self.positionFact) ?? ""
        let events = try events(
            where: "t.id > \(from) AND t.id < \(ID<EventKind>.floor(head))", limit: limit
        ).prefix(limit)
        guard !events.isEmpty else { return nil }
        let (bytes, read) = try wholePayloads(of: Array(events), bytesMax: bytesMax)
        guard read > 0, let last = events.prefix(read).last else { return nil }
        let checksums = try checksums(of: events.prefix(read).map(\.id))
        let contents = events.prefix(read).compactMap { event -> FindableContent? in
            guard let content = bytes[event.id.text], let checksum = checksums[event.id.text] else { return nil }
            return FindableContent(id: event.id, provider: event.provider, bytes: content, checksum: checksum)
        }
        return UnindexedEvents(contents: contents, count: read, from: from, to: last.id.text)
    }

    /// Indexes events by their terms, which were made meanwhile, outside of any transaction that others wait for. An
    /// event that was erased in between gets none; where another has indexed them, or the key is another by now,
    /// nothing is done.
    ///
    /// - Parameters:
    ///   - key: the terms are made with it.
    ///   - terms: of each content, in order.
    public func index(_ events: UnindexedEvents, key: String, terms: [[Int64]]) throws {
        guard try holdsIndex(key: key), try instanceFact(Self.positionFact) ?? "" == events.from else { return }
        let ids = events.contents.map(\.id)
        // Held until the commit, so that none is erased between this look and its terms.
        _ = try rows("SELECT id FROM events WHERE id IN (\(SQL.list(ids))) ORDER BY id \(dialect.forUpdate)") { _ in }
        let checksums = try checksums(of: ids)
        let made = zip(events.contents, terms).flatMap { content, terms in
            checksums[content.id.text] == content.checksum ? Set(terms).map { (term: $0, event: content.id) } : []
        }
        let rows = made.sorted { ($0.term, $0.event) < ($1.term, $1.event) }.map { [.integer($0.term), $0.event.cell] }
        try insert("INSERT INTO event_terms (term, event_id) VALUES", rows, "ON CONFLICT DO NOTHING")
        try setInstanceFact(Self.positionFact, events.to)
    }

    private func checksums(of events: [ID<EventKind>]) throws -> [String: Int64] {
        guard !events.isEmpty else { return [:] }
        let found = try rows(
            """
            SELECT e.id, b.checksum FROM events e JOIN bodies b ON b.id = e.body_id WHERE e.id IN (\(SQL.list(events)))
            """
        ) { row in (try row.text(), try row.integer()) }
        return Dictionary(uniqueKeysWithValues: found)
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
