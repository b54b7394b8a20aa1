public import Kit

/// The schema's steps, forward only. A file is never edited after its release.
public enum Migrations {
    struct Step: Sendable {
        let version: Int64
        let name: String
        let text: String
    }

    static let all: [Step] = [
        Step(version: 1, name: "foundation", text: String(decoding: PackageResources._01_foundation_sql, as: UTF8.self))
    ]
    /// The newest schema that this program knows.
    public static var known: Int64 { all.last?.version ?? 0 }

    /// The SQL that would run on a database at `version`, in the engine's words.
    public static func sql(for dialect: Dialect, after version: Int64) -> String {
        let schema = dialect.engine == .postgres && version == 0 ? ["CREATE SCHEMA IF NOT EXISTS patchbay;\n"] : []
        let steps = all.filter { $0.version > version }
            .map { "-- \($0.version) \($0.name)\n\(dialect.translate($0.text))" }
        return (schema + steps).joined(separator: "\n")
    }
}

/// Where a database stands.
public struct SchemaState: Sendable, Equatable {
    /// 0 for an empty database.
    public let version: Int64
    /// The program that made it.
    public let madeBy: String
    public var pending: Int { Migrations.all.filter { $0.version > version }.count }
}

extension Database {
    /// Where the database stands.
    ///
    /// - Throws: `StoreError.refused` when there are tables that Patchbay did not make.
    public func schemaState() async throws -> SchemaState {
        try await schema("schema_state") { try $0.schemaState() }
    }

    /// Brings the schema up to what this program knows, each step in a transaction of its own, one process at a time.
    ///
    /// - Returns: the versions that were applied.
    /// - Throws: `StoreError.newer` when the database was made by a newer program; nothing is changed then.
    public func migrate(program: String, at now: Timestamp) async throws -> [Int64] {
        let dialect = dialect
        var applied: [Int64] = []
        for step in Migrations.all {
            let isNew = try await schema("migrate") { session in
                try session.lockSchema()
                let state = try session.schemaState()
                guard state.version <= Migrations.known else {
                    throw StoreError.newer(madeBy: state.madeBy, version: state.version, known: Migrations.known)
                }
                guard state.version < step.version else { return false }
                try session.apply(step, in: dialect, program: program, at: now)
                return true
            }
            if isNew { applied.append(step.version) }
        }
        return applied
    }
}

extension Session {
    /// One migrating process at a time. SQLite has one writer anyway.
    func lockSchema() throws {
        if dialect.engine == .postgres { _ = try rows("SELECT pg_advisory_xact_lock(7271117)") { _ in } }
    }

    fileprivate func schemaState() throws -> SchemaState {
        guard try tableExists("schema_migrations") else {
            guard try tableCount() == 0 else {
                throw StoreError.refused(
                    """
                    The database holds tables that Patchbay did not make. \
                    Give Patchbay a database, or a schema `patchbay`, of its own.
                    """
                )
            }
            return SchemaState(version: 0, madeBy: "")
        }
        return try row("SELECT version, program FROM schema_migrations ORDER BY version DESC LIMIT 1") { row in
            SchemaState(version: try row.integer(), madeBy: try row.text())
        } ?? SchemaState(version: 0, madeBy: "")
    }

    fileprivate func apply(_ step: Migrations.Step, in dialect: Dialect, program: String, at now: Timestamp) throws {
        if step.version == 1 {
            try makeSchema()
            let table = """
                CREATE TABLE schema_migrations (
                    version $INTEGER PRIMARY KEY, name $TEXT NOT NULL, program $TEXT NOT NULL,
                    applied_at $INTEGER NOT NULL
                ) $STRICT
                """
            try run(SQL(stringLiteral: dialect.translate(table)))
        }
        for statement in Self.statements(in: dialect.translate(step.text)) { try run(SQL(stringLiteral: statement)) }
        try run(
            """
            INSERT INTO schema_migrations (version, name, program, applied_at)
            VALUES (\(step.version), \(step.name), \(program), \(now))
            """)
    }

    /// Only where it is not there: one that somebody else made needs no right to make any. SQLite has none.
    private func makeSchema() throws {
        guard dialect.engine == .postgres,
            try row("SELECT 1 FROM pg_namespace WHERE nspname = 'patchbay'", { _ in true }) == nil
        else { return }
        let mayMake = try row(
            "SELECT has_database_privilege(current_database(), 'CREATE'), current_user, current_database()"
        ) { row in (try row.boolean(), try row.text(), try row.text()) }
        guard let mayMake, mayMake.0 else {
            throw StoreError.refused(
                """
                PostgreSQL does not let \(mayMake?.1 ?? "this user") make the schema patchbay. As its administrator: \
                CREATE SCHEMA patchbay AUTHORIZATION "\(mayMake?.1 ?? "USER")"
                """)
        }
        try run("CREATE SCHEMA patchbay")
    }

    private func tableExists(_ name: String) throws -> Bool {
        switch dialect.engine {
        case .sqlite:
            try row("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = \(name)") { _ in true } ?? false
        case .postgres:
            try row("SELECT 1 FROM pg_tables WHERE schemaname = 'patchbay' AND tablename = \(name)") { _ in true }
                ?? false
        }
    }
    private func tableCount() throws -> Int64 {
        let sql: SQL =
            switch dialect.engine {
            case .sqlite: "SELECT count(*) FROM sqlite_master WHERE type = 'table'"
            case .postgres: "SELECT count(*) FROM pg_tables WHERE schemaname = 'patchbay'"
            }
        return try row(sql) { try $0.integer() } ?? 0
    }

    /// A migration's statements: comments dropped, split at semicolons that end a line.
    static func statements(in text: String) -> [String] {
        let lines = text.split(separator: "\n").filter { !$0.drop(while: { $0 == " " }).hasPrefix("--") }
        return lines.joined(separator: "\n").split(separator: ";").map(String.init).filter {
            $0.contains { !$0.isWhitespace }
        }
    }
}
