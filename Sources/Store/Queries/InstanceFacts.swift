extension Session {
    /// Writes a fact down, over what stood there.
    public func setInstanceFact(_ key: String, _ value: String) throws {
        try run(
            """
            INSERT INTO instance (key, value) VALUES (\(key), \(value))
            ON CONFLICT (key) DO UPDATE SET value = excluded.value
            """)
    }

    /// An instance is live or test for its whole life; the first start decides.
    ///
    /// - Throws: `StoreError.refused` when the database belongs to the other mode.
    public func settle(mode: String) throws {
        try run("INSERT INTO instance (key, value) VALUES ('mode', \(mode)) ON CONFLICT (key) DO NOTHING")
        let kept = try row("SELECT value FROM instance WHERE key = 'mode'") { try $0.text() }
        guard kept == mode else {
            throw StoreError.refused(
                """
                This database belongs to a \(kept ?? "?") instance, and PATCHBAY_MODE is \(mode). \
                Give each its own database.
                """
            )
        }
    }
}
