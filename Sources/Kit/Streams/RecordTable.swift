/// The table that keeps a stream's rows. Applications join on it, so its names are for ever.
///
/// Each row also has `account_id` (whose it is at the platform), `source`, `observed_at` (when the question left whose
/// answer it is), `first_seen_at`, `updated_at` and `deleted_at`. A row is named by account and key.
public struct RecordTable: Sendable {
    /// `tiktok_videos`.
    public let name: String
    /// The platform's own id of a row.
    public let key: RecordColumn
    public let columns: [RecordColumn]
    /// The column that says when the platform made a row, where one does.
    public let time: String?
    /// The table that keeps every step of the metrics: account, key, `observed_at`, and the metrics themselves.
    public let history: String?

    public init(
        _ name: String, key: RecordColumn, _ columns: [RecordColumn], time: String? = nil, history: String? = nil
    ) {
        precondition(RecordColumn.isIdentifier(name) && history.map(RecordColumn.isIdentifier) ?? true)
        precondition(key.kind == .text, "a key is a text")
        precondition(time.map { time in columns.contains { $0.name == time } } ?? true, "the time is a column")
        precondition((history == nil) == columns.allSatisfy { !$0.isMetric }, "metrics have a history, and only they")
        let names = columns.flatMap(\.storedNames) + [key.name] + Self.own
        precondition(Set(names).count == names.count, "no two columns have one name")
        self.name = name
        self.key = key
        self.columns = columns
        self.time = time
        self.history = history
    }

    /// What every table has besides.
    public static let own = ["account_id", "source", "observed_at", "first_seen_at", "updated_at", "deleted_at"]

    public var metrics: [RecordColumn] { columns.filter(\.isMetric) }

    /// Of what rows read in full know: a table that gained a column is to be read in full once.
    public var shape: String { columns.map(\.name).joined(separator: ",") }

    /// The row that an object of the platform's is.
    ///
    /// - Throws: `Unreadable` where its key is missing or a value is not what its column holds.
    public func row(_ object: JSON) throws(Unreadable) -> StreamRow {
        guard case .text(let key)? = try key.value(in: object), !key.isEmpty else {
            throw Unreadable("\(key.path.joined(separator: ".")) is missing.")
        }
        var values: [RecordValue?] = []
        values.reserveCapacity(columns.count)
        var at: Timestamp?
        for column in columns {
            let value = try column.value(in: object)
            if column.name == time, case .time(let moment)? = value { at = moment }
            values.append(value)
        }
        return StreamRow(key: OutsideText.bounded(key), values: values, at: at)
    }
}

/// A row as an answer shows it.
public struct StreamRow: Sendable, Equatable {
    /// The platform's own id.
    public let key: String
    /// In the order of the table's columns; nil where the answer says nothing of a column.
    public var values: [RecordValue?]
    /// When the platform made it, where it says.
    public let at: Timestamp?

    public init(key: String, values: [RecordValue?], at: Timestamp?) {
        self.key = key
        self.values = values
        self.at = at
    }
}
