public import Kit
import Store

/// What stands beside a backup: of what it is, when, and how to know that it is whole.
public struct BackupManifest: Sendable {
    static let format: Int64 = 1
    /// Beside the backup's own name.
    static let ending = ".manifest.json"

    public let engine: String
    public let program: String
    public let schema: Int64
    public let mode: String?
    public let begunAt: Timestamp
    public let bytes: Int64
    /// Of the file, in hex.
    public let sha256: String
    /// The encryption keys without which sealed secrets in it do not open.
    public let keys: [String]
    /// Rows in it; none for PostgreSQL, whose archive is not opened to count them.
    public let counts: [(table: String, rows: Int)]

    public var json: JSON {
        .object([
            .init("format", JSON(Self.format)), .init("engine", .string(engine)), .init("program", .string(program)),
            .init("schema", JSON(schema)), .init("mode", JSON(mode)), .init("begun_at", JSON(begunAt)),
            .init("bytes", JSON(bytes)), .init("sha256", .string(sha256)),
            .init("encryption_keys", .array(keys.map(JSON.string))),
            .init("rows", .object(counts.map { JSONMember($0.table, JSON($0.rows)) })),
        ])
    }

    init(
        engine: String, program: String, begunAt: Timestamp, bytes: Int64, sha256: String, facts: ContentFacts,
        hasCounts: Bool
    ) {
        self.engine = engine
        self.program = program
        self.begunAt = begunAt
        self.bytes = bytes
        self.sha256 = sha256
        schema = facts.schema
        mode = facts.mode
        keys = facts.keys
        counts = hasCounts ? facts.counts : []
    }

    /// - Throws: `BackupFault`.
    init(_ json: JSON) throws(BackupFault) {
        guard let format = json["format"]?.integer, let engine = json["engine"]?.text,
            let sha256 = json["sha256"]?.text, let bytes = json["bytes"]?.integer, let schema = json["schema"]?.integer,
            let begunAt = json["begun_at"]?.text.flatMap(Timestamp.init(rfc3339:))
        else { throw BackupFault("The manifest is none that patchbay backup writes.") }
        guard format == Self.format else {
            throw BackupFault("The backup has format \(format); this program knows \(Self.format). Use a newer one.")
        }
        self.engine = engine
        self.sha256 = sha256
        self.bytes = bytes
        self.schema = schema
        self.begunAt = begunAt
        program = json["program"]?.text ?? "?"
        mode = json["mode"]?.text
        keys = json["encryption_keys"]?.elements?.compactMap(\.text) ?? []
        counts = json["rows"]?.members?.map { ($0.name, Int($0.value.integer ?? 0)) } ?? []
    }
}

/// Why there is no backup, or no restored database: a sentence for the operator.
public struct BackupFault: Error, Sendable, CustomStringConvertible {
    public let description: String
    init(_ sentence: String) { description = sentence }
}
