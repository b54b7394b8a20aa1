/// The tables that hold sealed secrets.
public enum SealedTable: String, Sendable, CaseIterable {
    case apps = "app_secrets"
    case endpoints = "endpoint_secrets"
    /// Tokens of connections.
    case credentials
    /// Saved steps: they may hold addresses that authorize by themselves.
    case works
    /// The keys of months, under which bodies are sealed.
    case bodies = "body_keys"

    /// The column that says whose secret it is.
    fileprivate var owner: SQL {
        switch self {
        case .apps: "app_id"
        case .endpoints: "endpoint_id"
        case .credentials, .works, .bodies: "id"
        }
    }
    /// Endpoints' secrets have one purpose and no column for it; tokens are bound to their version.
    fileprivate var purpose: SQL {
        switch self {
        case .apps: "purpose"
        case .endpoints, .works, .bodies: "''"
        case .credentials: "'tokens/' || CAST(version AS TEXT)"
        }
    }
    fileprivate var name: SQL { SQL(stringLiteral: rawValue) }
}

/// A sealed secret with what it is bound to.
public struct SealedSecret: Sendable, Equatable {
    public let table: SealedTable
    public let id: String
    /// The app or the endpoint.
    public let owner: String
    public let purpose: String
    public let sealed: [UInt8]
    public let keyID: String
}

/// How many rows of a table a key has sealed.
public struct SealedCount: Sendable, Equatable {
    public let table: SealedTable
    public let keyID: String
    public let rows: Int64
}

extension Session {
    /// The secrets after an id, in the order of ids; with `key`, only those that another key has sealed.
    public func sealedSecrets(
        in table: SealedTable, notUnder key: String? = nil, after id: String, limit: Int
    ) throws -> [SealedSecret] {
        let others: SQL = key.map { "AND key_id <> \($0)" } ?? ""
        return try rows(
            """
            SELECT id, \(table.owner), \(table.purpose), sealed, key_id
              FROM \(table.name)
             WHERE id > \(id) \(others)
             ORDER BY id
             LIMIT \(limit)
            """
        ) { row in
            SealedSecret(
                table: table, id: try row.text(), owner: try row.text(), purpose: try row.text(),
                sealed: try row.blob(), keyID: try row.text())
        }
    }

    /// Puts the same secret under another key. False when the row is no longer as it was read: then nothing is written.
    public func reseal(_ old: SealedSecret, as sealed: [UInt8], keyID: String) throws -> Bool {
        try run(
            """
            UPDATE \(old.table.name)
               SET sealed = \(sealed), key_id = \(keyID)
             WHERE id = \(old.id) AND key_id = \(old.keyID) AND sealed = \(old.sealed)
            """) == 1
    }

    /// Which key sealed how many rows. Reads the tables, which are small: a few rows an app or endpoint,
    /// one a connection.
    public func sealedCounts() throws -> [SealedCount] {
        try SealedTable.allCases.flatMap { table in
            try rows("SELECT key_id, count(*) FROM \(table.name) GROUP BY key_id ORDER BY key_id LIMIT 1000") { row in
                SealedCount(table: table, keyID: try row.text(), rows: try row.integer())
            }
        }
    }
}
