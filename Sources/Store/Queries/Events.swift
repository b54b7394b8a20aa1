public import Kit

/// An event with its bytes, as handlers read it.
public struct StoredEvent: Sendable {
    public let id: ID<EventKind>
    public let provider: String
    public let app: ID<AppKind>
    public let delivery: ID<DeliveryKind>
    public let providerEventID: String?
    public let type: String
    public let account: String?
    /// Whose fact it is at the platform, such as its customer.
    public let subject: String?
    public let occurredAt: Timestamp?
    public let receivedAt: Timestamp
    public let userID: String?
    public let connectionID: String?
    public let state: String
    public let duplicates: Int64
    public let range: BodyRange
    /// The event's own bytes; nil when retention has removed them.
    public let body: [UInt8]?
}

extension Session {
    /// An event with its bytes.
    ///
    /// - Throws: `StoreError.damaged` when the bytes are not those that were stored.
    public func event(_ id: ID<EventKind>) throws -> StoredEvent? {
        try row(
            """
            SELECT e.id, e.provider, e.app_id, e.delivery_id, e.provider_event_id, e.type, e.account, e.subject,
                   e.occurred_at, e.received_at, e.user_id, e.connection_id, e.state, e.duplicates, e.body_id,
                   e.body_offset, e.body_length, b.bytes, b.encoding, b.checksum
              FROM events e
              LEFT JOIN bodies b ON b.id = e.body_id
             WHERE e.id = \(id)
            """, Self.storedEvent)
    }

    /// Moves an event on: what it became, for whom, and why.
    public func setState(
        _ state: String, of id: ID<EventKind>, reason: String? = nil, userID: String? = nil,
        connection: ID<ConnectionKind>? = nil, at now: Timestamp
    ) throws {
        try run(
            """
            UPDATE events
               SET state = \(state), state_reason = \(reason), state_at = \(now),
                   user_id = coalesce(\(userID), user_id), connection_id = coalesce(\(connection?.text), connection_id)
             WHERE id = \(id)
            """)
    }

    /// Whether nobody was told of an event so far. From this transaction on somebody is: whatever becomes of the event
    /// later (released by a review, dead and run again, replayed), followers hear of it once. Holds its row.
    public func tells(of id: ID<EventKind>, at now: Timestamp) throws -> Bool {
        try run("UPDATE events SET told_at = \(now) WHERE id = \(id) AND told_at IS NULL") == 1
    }

    private static func storedEvent(_ row: inout Row) throws -> StoredEvent {
        let (id, provider, app, delivery): (ID<EventKind>, String, ID<AppKind>, ID<DeliveryKind>) = (
            try row.id(), try row.text(), try row.id(), try row.id()
        )
        let (platformID, type, account, subject) = (
            try row.optionalText(), try row.text(), try row.optionalText(), try row.optionalText()
        )
        let (occurred, received, user, connection) = (
            try row.optionalTime(), try row.time(), try row.optionalText(), try row.optionalText()
        )
        let (state, duplicates) = (try row.text(), try row.integer())
        let (bodyID, offset, length) = (try row.text(), try row.integer(), try row.integer())
        let bytes = try row.optionalStoredBody()?.checked("the body of \(id)")
        return StoredEvent(
            id: id, provider: provider, app: app, delivery: delivery, providerEventID: platformID, type: type,
            account: account, subject: subject, occurredAt: occurred, receivedAt: received, userID: user,
            connectionID: connection, state: state, duplicates: duplicates,
            range: BodyRange(body: bodyID, offset: Int(offset), length: Int(length)),
            body: bytes.flatMap { cut($0, offset: offset, length: length) })
    }
}
