/// What differs between the two engines, as fragments. If it grows past this page, something is wrong.
public struct Dialect: Sendable {
    public enum Engine: String, Sendable { case sqlite, postgres }

    public let engine: Engine
    /// Before the number of a bound value. `$1` is a name in SQLite, numbered by first appearance.
    let placeholder: String
    /// Lets claimers pass each other's rows. SQLite has one writer and needs nothing.
    let skipLocked: SQL
    /// Holds the rows that a closure decides on: serializable closures and sets do not see each other.
    let forUpdate: SQL
    /// The greater of two values.
    let greater: SQL
    /// Rows of one multi-row INSERT: one for SQLite, where a prepared single row is the fastest.
    let rowsInsertedAtOnce: Int
    /// Whether a change is given its place in the feed by the transaction that writes it.
    public let placesChangesAtOnce: Bool
    /// Whether lanes are woken in the same transaction as their jobs. PostgreSQL does it right after, so that
    /// concurrent enqueues on many nodes do not wait for each other's row locks through a whole commit.
    let wakesLanesAtOnce: Bool

    public static let sqlite = Dialect(
        engine: .sqlite, placeholder: "?", skipLocked: "", forUpdate: "", greater: "max", rowsInsertedAtOnce: 1,
        placesChangesAtOnce: true, wakesLanesAtOnce: true)
    public static let postgres = Dialect(
        engine: .postgres, placeholder: "$", skipLocked: "FOR UPDATE SKIP LOCKED", forUpdate: "FOR UPDATE",
        greater: "greatest", rowsInsertedAtOnce: 64, placesChangesAtOnce: false, wakesLanesAtOnce: false)

    /// A member of a column that holds a JSON object of texts; NULL where it has none of this name.
    func member(of column: SQL, _ name: String) -> SQL {
        switch engine {
        case .sqlite: "(SELECT value FROM json_each(\(column)) WHERE key = \(name))"
        case .postgres: "CAST(\(column) AS json) ->> \(name)"
        }
    }

    /// An assignment more for an UPDATE that makes rows smaller: SQLite would leave their pages as large as they were,
    /// so the row goes to the table's end; PostgreSQL writes it anew anyway.
    func movingRow(of table: SQL) -> SQL {
        switch engine {
        case .sqlite: ", rowid = (SELECT max(rowid) + 1 FROM \(table))"
        case .postgres: ""
        }
    }

    /// A migration's text with its types in the engine's words. STRICT tables refuse a value of another type;
    /// text is compared by bytes on both engines, so that ids sort alike everywhere.
    func translate(_ text: String) -> String {
        let words: [(String, String)] =
            switch engine {
            case .sqlite:
                [
                    ("$TEXT", "TEXT"), ("$BLOB", "BLOB"), ("$INTEGER", "INTEGER"), ("$REAL", "REAL"),
                    ("$STRICT", "STRICT"), ("$CLUSTERED", "WITHOUT ROWID, STRICT"), ("$HOT", "STRICT"),
                    ("$IDENTITY", "INTEGER PRIMARY KEY AUTOINCREMENT"),
                ]
            case .postgres:
                [
                    ("$TEXT", "TEXT COLLATE \"C\""), ("$BLOB", "BYTEA"), ("$INTEGER", "BIGINT"),
                    ("$REAL", "DOUBLE PRECISION"), (" $STRICT", ""), (" $CLUSTERED", ""),
                    (
                        "$HOT",
                        """
                        WITH (fillfactor = 70, \
                        autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000)
                        """
                    ),
                    ("$IDENTITY", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
                ]
            }
        return words.reduce(text) { $0.replacing($1.0, with: $1.1) }
    }
}
