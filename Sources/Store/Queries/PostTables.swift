public import Kit

extension Session {
    /// Makes the table under which applications find what was sent to one platform: a view of the targets. Its names
    /// come from the platform's own description.
    public func declare(_ table: PostTable, of provider: String) throws {
        let name = SQL(stringLiteral: table.name)
        let quoted = SQL(stringLiteral: "'\(provider)'")
        let (id, account) = (SQL(stringLiteral: table.id), SQL(stringLiteral: table.account))
        try lockSchema()
        if dialect.engine == .sqlite { try run("DROP VIEW IF EXISTS \(name)") }
        let create: SQL = dialect.engine == .sqlite ? "CREATE VIEW" : "CREATE OR REPLACE VIEW"
        try run(
            """
            \(create) \(name) AS
            SELECT t.remote_id AS \(id), t.account_id AS \(account), t.remote_status AS status, t.source AS source,
                   CASE WHEN t.state = 'failed' THEN t.code END AS error_code, t.post_id AS post_id,
                   t.publication_id AS publication_id, t.id AS target_id, t.connection_id AS connection_id,
                   t.user_id AS user_id, t.state AS state, t.account_id AS account_id, t.updated_at AS observed_at,
                   t.created_at AS first_seen_at, t.updated_at AS updated_at, t.withdrawn_at AS deleted_at
              FROM publication_targets t
             WHERE t.provider = \(quoted) AND t.remote_id IS NOT NULL
            """)
    }
}
