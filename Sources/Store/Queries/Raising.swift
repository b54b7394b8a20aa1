public import Kit

/// A condition that someone should know of.
public struct NewAlert: Sendable {
    public let id: ID<AlertKind>
    /// `job_dead`, `store_unavailable`, `node_lost`, …
    public let kind: String
    /// What it is about. One live alert for each kind and subject; more of the same is counted.
    public let subject: String
    /// What happened, in a sentence.
    public let summary: String
    /// What to do, in a sentence.
    public let action: String
    public let at: Timestamp
    public let changeID: ID<ChangeKind>

    public init(
        id: ID<AlertKind>, kind: String, subject: String, summary: String, action: String, at: Timestamp,
        changeID: ID<ChangeKind>
    ) {
        self.id = id
        self.kind = kind
        self.subject = subject
        self.summary = summary
        self.action = action
        self.at = at
        self.changeID = changeID
    }
}

extension Session {
    /// Raises an alert, or counts one more on the live one. Followers are told of new ones.
    public func raise(_ alert: NewAlert) throws {
        let id = try row(
            """
            INSERT INTO alerts (id, kind, state, subject, summary, action, count, opened_at, last_at)
            VALUES (\(alert.id), \(alert.kind), 'open', \(alert.subject), \(alert.summary), \(alert.action), 1, \(alert.at),
                    \(alert.at))
            ON CONFLICT (kind, subject) WHERE state <> 'resolved'
            DO UPDATE SET count = alerts.count + 1, last_at = excluded.last_at, summary = excluded.summary
            RETURNING id
            """
        ) { row in try row.id(AlertKind.self) }
        guard id == alert.id else { return }
        try append([
            Self.change(
                alert.changeID, "alert.raised", alert.id, alert.kind, alert.subject, alert.summary, at: alert.at)
        ])
    }

    /// Ends the live alert of this kind and subject, if there is one.
    public func resolve(alert kind: String, subject: String, changeID: ID<ChangeKind>, at now: Timestamp) throws {
        let resolved = try row(
            """
            UPDATE alerts SET state = 'resolved', resolved_at = \(now)
             WHERE kind = \(kind) AND subject = \(subject) AND state <> 'resolved'
            RETURNING id, summary
            """
        ) { row in (id: try row.id(AlertKind.self), summary: try row.text()) }
        guard let resolved else { return }
        try append([Self.change(changeID, "alert.resolved", resolved.id, kind, subject, resolved.summary, at: now)])
    }

    private static func change(
        _ id: ID<ChangeKind>, _ type: String, _ alert: ID<AlertKind>, _ kind: String, _ subject: String,
        _ summary: String, at now: Timestamp
    ) -> NewChange {
        let data: JSON = [
            "id": JSON(alert), "kind": .string(kind), "subject": .string(subject), "summary": .string(summary),
        ]
        return NewChange(id: id, type: type, subject: alert.text, occurredAt: now, data: data.bytes)
    }

    /// Writes an audit entry with the act that it tells of, in the same transaction. Ids and digests, no personal text.
    public func audit(_ entry: AuditEntry) throws {
        try run(
            """
            INSERT INTO audit (id, at, actor, action, subject, detail)
            VALUES (\(entry.id), \(entry.at), \(entry.actor), \(entry.action), \(entry.subject), \(entry.detail))
            """)
    }
}

/// Who did what to what.
public struct AuditEntry: Sendable {
    public let id: ID<AuditKind>
    public let at: Timestamp
    /// `key_…` for API keys, `cli`, `system`.
    public let actor: String
    /// `noun.verb`: `key.created`.
    public let action: String
    public let subject: String?
    /// A JSON object.
    public let detail: String

    public init(
        id: ID<AuditKind>, at: Timestamp, actor: String, action: String, subject: String?, detail: String = "{}"
    ) {
        self.id = id
        self.at = at
        self.actor = actor
        self.action = action
        self.subject = subject
        self.detail = detail
    }
}
