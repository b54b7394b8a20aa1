public import Kit

/// What somebody has begun to write, sealed.
public struct PostDraftRow: Sendable {
    public let sealed: [UInt8]
    public let keyID: String
    public let at: Timestamp
}

extension Session {
    /// Keeps an operator's draft instead of the one before.
    public func keepDraft(of author: String, sealed: [UInt8], keyID: String, at now: Timestamp) throws {
        try run(
            """
            INSERT INTO post_drafts (id, key_id, sealed, updated_at)
            VALUES (\(author), \(keyID), \(sealed), \(now))
            ON CONFLICT (id) DO UPDATE SET key_id = EXCLUDED.key_id, sealed = EXCLUDED.sealed,
                                           updated_at = EXCLUDED.updated_at
            """)
    }

    public func draft(of author: String) throws -> PostDraftRow? {
        try row("SELECT key_id, sealed, updated_at FROM post_drafts WHERE id = \(author)") { row in
            let key = try row.text()
            return PostDraftRow(sealed: try row.blob(), keyID: key, at: try row.time())
        }
    }

    public func dropDraft(of author: String) throws { try run("DELETE FROM post_drafts WHERE id = \(author)") }

    /// Deletes what nobody has gone on with. Answers how many.
    func expireDrafts(before moment: Timestamp, _ limit: Int) throws -> Int {
        try run(
            """
            DELETE FROM post_drafts
             WHERE id IN (SELECT id FROM post_drafts WHERE updated_at < \(moment) ORDER BY updated_at LIMIT \(limit))
            """)
    }
}
