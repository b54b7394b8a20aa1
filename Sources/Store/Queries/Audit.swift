public import Kit

/// An act to be remembered, written with the act itself.
public struct NewAudit: Sendable {
    public let id: ID<AuditKind>
    public let at: Timestamp
    /// Who: `key_…`, `node_…`, `operator`, `system`.
    public let actor: String
    /// What: `key.created`, `review.decided`, …
    public let action: String
    /// About what: an id.
    public let subject: String?
    /// Ids and digests, no personal text, so that the chain still verifies after an erasure.
    public let detail: JSON

    public init(
        id: ID<AuditKind>, at: Timestamp, actor: String, action: String, subject: String?, detail: JSON = .object([])
    ) {
        self.id = id
        self.at = at
        self.actor = actor
        self.action = action
        self.subject = subject
        self.detail = detail
    }
}

extension Session {
    /// Writes an entry in the transaction of the act, plainly; the sealer chains it afterwards.
    public func audit(_ entry: NewAudit) throws {
        try run(
            """
            INSERT INTO audit (id, at, actor, action, subject, detail)
            VALUES (\(entry.id), \(entry.at), \(entry.actor), \(entry.action), \(entry.subject),
                    \(String(decoding: entry.detail.bytes, as: UTF8.self)))
            """)
    }
}
