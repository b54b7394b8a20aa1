public import Kit

/// A delivery as lists and its page show it; without its bytes.
public struct DeliveryRow: Sendable {
    public let id: ID<DeliveryKind>
    public let provider: String
    public let appID: String?
    public let receivedAt: Timestamp
    public let verdict: String
    public let code: String?
    public let reason: String?
    public let flags: [String]
    public let method: String
    public let target: [UInt8]
    public let headers: [UInt8]
    public let remote: String?
    public let size: Int64
    public let eventID: String?
}

public struct DeliveryFilter: Sendable {
    public var provider: String?
    public var verdict: String?
    public var code: String?
    public init() {}
}

/// An event as lists show it; its bytes are read apart (`payloads`).
public struct EventRow: Sendable {
    public let id: ID<EventKind>
    public let provider: String
    public let appID: String
    public let deliveryID: String
    public let providerEventID: String?
    public let type: String
    public let account: String?
    public let subject: String?
    public let occurredAt: Timestamp?
    public let receivedAt: Timestamp
    public let connectionID: String?
    public let userID: String?
    public let state: String
    public let stateReason: String?
    public let duplicates: Int64
    public let lastDuplicateAt: Timestamp?
    public let bytesDiffered: Bool
    public let range: BodyRange
    /// When it got its state.
    public let stateAt: Timestamp
}

public struct EventFilter: Sendable {
    public var provider: String?
    public var type: String?
    public var connectionID: String?
    public var userID: String?
    public var state: String?
    /// Of a findable value (`event_terms`).
    public var term: Int64?
    public init() {}

    var conditions: [SQL] {
        [found].compactMap { $0 }
            + Store.conditions([
                ("provider", provider), ("type", type), ("connection_id", connectionID), ("user_id", userID),
                ("state", state),
            ])
    }

    var found: SQL? { term.map { "t.id IN (SELECT event_id FROM event_terms WHERE term = \($0))" } }
}

extension Session {
    public func deliveries(_ filter: DeliveryFilter, _ page: ListPage) throws -> [DeliveryRow] {
        try list(
            Self.deliveries,
            where: conditions([("provider", filter.provider), ("verdict", filter.verdict), ("code", filter.code)]),
            page,
            Self.delivery)
    }
    public func delivery(_ id: ID<DeliveryKind>) throws -> DeliveryRow? {
        try row("SELECT \(Self.deliveries.columns) FROM deliveries t WHERE t.id = \(id)", Self.delivery)
    }

    /// What is kept of a delivery's body, byte for byte: of one that was not believed its beginning, of a repetition
    /// and of what retention has removed nothing.
    ///
    /// - Throws: `StoreError.damaged` when the bytes are not those that were stored.
    public func deliveryBody(_ id: ID<DeliveryKind>) throws -> [UInt8]? {
        let body = try row(
            """
            SELECT b.bytes, b.encoding, b.checksum
              FROM deliveries d
              JOIN bodies b ON b.id = d.body_id
             WHERE d.id = \(id)
            """
        ) { row in try row.storedBody() }
        return try body?.checked("the body of \(id)")
    }

    public func events(_ filter: EventFilter, _ page: ListPage) throws -> [EventRow] {
        try list(Self.events, where: filter.conditions, page, Self.event)
    }
    public func eventRow(_ id: ID<EventKind>) throws -> EventRow? {
        try row("SELECT \(Self.events.columns) FROM events t WHERE t.id = \(id)", Self.event)
    }

    func events(where condition: SQL, limit: Int) throws -> [EventRow] {
        try list(Self.events, where: [condition], ListPage(limit: limit, ascending: true), Self.event)
    }

    /// How many events a filter finds, at most `limit`.
    public func count(_ filter: EventFilter, _ page: ListPage, atMost limit: Int) throws -> Int {
        try list(
            Listed(columns: "t.id", from: "events t", createdAt: "t.received_at", prefix: "evt"),
            where: filter.conditions,
            ListPage(
                limit: limit - 1, ascending: page.ascending, after: page.after, createdAfter: page.createdAfter,
                createdBefore: page.createdBefore)
        ) { _ in }.count
    }

    /// The events that a platform's own id names, newest first.
    ///
    /// Where the identity is made of that id (Stripe, Standard Webhooks) it is found by its hash on any of the days of
    /// the last `identityDays`, or day 0; else among the newest `scanned` events.
    public func events(providerEventID id: String, _ filter: EventFilter, at now: Timestamp) throws -> [EventRow] {
        let hash = EventIdentity(day: 0, of: id.utf8).hash
        let days = [0] + (0...Self.identityDays).map { now.day + 1 - $0 }
        let apps = try rows(
            "SELECT id FROM apps WHERE provider = coalesce(\(filter.provider), provider) ORDER BY id LIMIT 100"
        ) { try $0.text() }
        var found: [String] = []
        if !apps.isEmpty {
            found = try rows(
                """
                SELECT event_id FROM event_identities
                 WHERE scope IN (\(SQL.list(apps))) AND day IN (\(SQL.list(days))) AND hash = \(hash)
                 ORDER BY event_id DESC
                 LIMIT 100
                """
            ) { try $0.text() }
        }
        let conditions = filter.conditions + ["t.provider_event_id = \(id)"]
        let page = ListPage(limit: 100)
        if !found.isEmpty {
            let events = try list(Self.events, where: conditions + ["t.id IN (\(SQL.list(found)))"], page, Self.event)
            if !events.isEmpty { return events }
        }
        let oldest = try row("SELECT id FROM events ORDER BY id DESC LIMIT 1 OFFSET \(Self.scanned)") { try $0.text() }
        return try list(Self.events, where: conditions + ["t.id > \(oldest ?? "")"], page, Self.event)
    }
    /// Identities are kept for 400 days at most.
    private static var identityDays: Int64 { 401 }
    private static var scanned: Int { 100_000 }

    /// The bytes of events, by the events' ids, in few statements. Of bodies beyond `bytesMax` together the later ones
    /// are left out: their events are missing in `read`. What is stored compressed counts as it came.
    ///
    /// - Throws: `StoreError.damaged` when bytes are not those that were stored.
    public func payloads(of events: [EventRow], bytesMax: Int) throws -> (bytes: [String: [UInt8]], read: Int) {
        guard !events.isEmpty else { return ([:], 0) }
        let bodies = Array(Set(events.map(\.range.body))).sorted()
        let sizes = Dictionary(
            uniqueKeysWithValues: try rows(
                "SELECT id, length(bytes), encoding, substr(bytes, 1, 4) FROM bodies WHERE id IN (\(SQL.list(bodies)))"
            ) { row in
                let (id, length, encoding) = (try row.text(), try row.integer(), try row.text())
                return (id, BodyCoding.size(ofStored: Int(length), encoding, beginning: try row.blob()))
            })
        var wanted = Set<String>()
        var total = 0
        var read = 0
        for event in events {
            if !wanted.contains(event.range.body) { total += sizes[event.range.body] ?? 0 }
            guard total <= bytesMax || read == 0 else { break }
            wanted.insert(event.range.body)
            read += 1
        }
        let kept = try rows(
            "SELECT id, bytes, encoding, checksum FROM bodies WHERE id IN (\(SQL.list(wanted.sorted())))"
        ) { row in (id: try row.text(), body: try row.storedBody()) }
        var bytes: [String: [UInt8]] = [:]
        for (id, body) in kept {
            let whole = try body.checked("the body \(id)")
            for event in events.prefix(read) where event.range.body == id {
                bytes[event.id.text] = cut(
                    whole, offset: Int64(event.range.offset), length: Int64(event.range.length))
            }
        }
        return (bytes, read)
    }

    /// Events of a search, newest first.
    func eventRows(where conditions: [SQL], limit: Int) throws -> [EventRow] {
        try rows(
            """
            SELECT \(Self.events.columns)
              FROM events t
             WHERE \(SQL.joined(conditions + ["1 = 1"], by: " AND "))
             ORDER BY t.id DESC
             LIMIT \(limit)
            """, Self.event)
    }

    /// Refused deliveries of one provider, newest first.
    func refused(of provider: String, before id: ID<DeliveryKind>?, since: Timestamp?, limit: Int) throws
        -> [DeliveryRow]
    {
        var conditions: [SQL] = ["t.verdict = 'rejected'", "t.provider = \(provider)"]
        if let id { conditions.append("t.id < \(id)") }
        if let since { conditions.append("t.id >= \(ID<DeliveryKind>.floor(since))") }
        return try rows(
            """
            SELECT \(Self.deliveries.columns)
              FROM deliveries t
             WHERE \(SQL.joined(conditions, by: " AND "))
             ORDER BY t.id DESC
             LIMIT \(limit)
            """, Self.delivery)
    }

    /// A kept body, whole; nil when retention has removed it.
    ///
    /// - Throws: `StoreError.damaged` when its bytes are not those that were stored.
    public func body(_ id: String) throws -> [UInt8]? {
        let kept = try row("SELECT bytes, encoding, checksum FROM bodies WHERE id = \(id)") { try $0.storedBody() }
        return try kept?.checked("the body \(id)")
    }

    /// The body of a delivery; nil when it is not kept.
    public func body(of id: ID<DeliveryKind>) throws -> [UInt8]? {
        let body = try row("SELECT body_id FROM deliveries WHERE id = \(id)") { try $0.optionalText() } ?? nil
        return try body.flatMap { try self.body($0) }
    }

    // MARK: Reading rows

    private static var deliveries: Listed {
        Listed(
            columns: """
                t.id, t.provider, t.app_id, t.received_at, t.verdict, t.code, t.reason, t.flags, t.method, t.target,
                t.headers, t.remote, t.size, t.event_id
                """, from: "deliveries t", createdAt: "t.received_at", prefix: "dlv")
    }
    private static func delivery(_ row: inout Row) throws -> DeliveryRow {
        DeliveryRow(
            id: try row.id(), provider: try row.text(), appID: try row.optionalText(), receivedAt: try row.time(),
            verdict: try row.text(), code: try row.optionalText(), reason: try row.optionalText(),
            flags: try row.optionalText().map { $0.split(separator: " ").map(String.init) } ?? [],
            method: try row.text(), target: try row.blob(), headers: try row.blob(), remote: try row.optionalText(),
            size: try row.integer(), eventID: try row.optionalText())
    }

    private static var events: Listed {
        Listed(
            columns: """
                t.id, t.provider, t.app_id, t.delivery_id, t.provider_event_id, t.type, t.account, t.subject,
                t.occurred_at, t.received_at, t.connection_id, t.user_id, t.state, t.state_reason, t.duplicates,
                t.last_duplicate_at, t.bytes_differed, t.body_id, t.body_offset, t.body_length, t.state_at
                """, from: "events t", createdAt: "t.received_at", prefix: "evt")
    }
    private static func event(_ row: inout Row) throws -> EventRow {
        EventRow(
            id: try row.id(), provider: try row.text(), appID: try row.text(), deliveryID: try row.text(),
            providerEventID: try row.optionalText(), type: try row.text(), account: try row.optionalText(),
            subject: try row.optionalText(), occurredAt: try row.optionalTime(), receivedAt: try row.time(),
            connectionID: try row.optionalText(), userID: try row.optionalText(), state: try row.text(),
            stateReason: try row.optionalText(), duplicates: try row.integer(), lastDuplicateAt: try row.optionalTime(),
            bytesDiffered: try row.boolean(),
            range: BodyRange(body: try row.text(), offset: Int(try row.integer()), length: Int(try row.integer())),
            stateAt: try row.time())
    }
}
