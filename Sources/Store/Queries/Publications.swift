public import Kit

/// Content for one or more accounts, as kept.
public struct PublicationRow: Sendable, Equatable {
    public let id: ID<PublicationKind>
    /// `title`, `text`: a JSON object.
    public let content: JSON
    /// Objects and addresses: a JSON array.
    public let media: JSON
    public let publishAt: Timestamp?
    public let createdBy: String
    public let version: Int64
    public let createdAt: Timestamp
    public let updatedAt: Timestamp

    public init(
        id: ID<PublicationKind>, content: JSON, media: JSON, publishAt: Timestamp?, createdBy: String, version: Int64,
        createdAt: Timestamp, updatedAt: Timestamp
    ) {
        self.id = id
        self.content = content
        self.media = media
        self.publishAt = publishAt
        self.createdBy = createdBy
        self.version = version
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }
}

public struct PublicationFilter: Sendable {
    public var state: String?
    public var connection: String?
    public var provider: String?
    public var userID: String?
    public init() {}
}

extension Session {
    public func add(_ publication: PublicationRow) throws {
        try run(
            """
            INSERT INTO publications (id, content, media, publish_at, created_by, version, created_at, updated_at)
            VALUES (\(publication.id), \(publication.content.columnText), \(publication.media.columnText),
                    \(publication.publishAt), \(publication.createdBy), 1, \(publication.createdAt),
                    \(publication.createdAt))
            """)
    }

    public func publication(_ id: ID<PublicationKind>) throws -> PublicationRow? {
        try row("SELECT \(Self.publicationColumns) FROM publications t WHERE t.id = \(id)", Self.publication)
    }

    /// The same, held to the end of the transaction: whoever changes a publication or its targets holds it first.
    public func holdPublication(_ id: ID<PublicationKind>) throws -> PublicationRow? {
        try row(
            "SELECT \(Self.publicationColumns) FROM publications t WHERE t.id = \(id) \(dialect.forUpdate)",
            Self.publication)
    }

    public func publications(_ filter: PublicationFilter, _ page: ListPage) throws -> [PublicationRow] {
        let wanted = conditions([
            ("state", filter.state), ("connection_id", filter.connection), ("provider", filter.provider),
            ("user_id", filter.userID),
        ])
        var condition: [SQL] = []
        if !wanted.isEmpty {
            // The outer table is called `t`, too: the inner one hides it, and is joined by its own column.
            condition = [
                """
                t.id IN (SELECT t.publication_id FROM publication_targets t WHERE \(SQL.joined(wanted, by: " AND ")))
                """
            ]
        }
        return try list(
            Listed(columns: Self.publicationColumns, from: "publications t", createdAt: "t.created_at", prefix: "pub"),
            where: condition, page, Self.publication)
    }

    /// Publications by when they begin, or were accepted where they began at once: of a calendar, the earliest first.
    ///
    /// - Parameter connection: only those to one account.
    public func publications(
        from start: Timestamp, to end: Timestamp, connection: String?, limit: Int
    ) throws -> [PublicationRow] {
        let time: SQL = "coalesce(t.publish_at, t.created_at)"
        let only: SQL =
            connection.map {
                "AND t.id IN (SELECT p.publication_id FROM publication_targets p WHERE p.connection_id = \($0))"
            } ?? ""
        return try rows(
            """
            SELECT \(Self.publicationColumns) FROM publications t
             WHERE \(time) >= \(start) AND \(time) < \(end) \(only)
             ORDER BY \(time), t.id
             LIMIT \(limit)
            """, Self.publication)
    }

    /// Changes what has not begun.
    public func change(
        _ id: ID<PublicationKind>, content: JSON, media: JSON, publishAt: Timestamp?, at now: Timestamp
    ) throws {
        try run(
            """
            UPDATE publications
               SET content = \(content.columnText), media = \(media.columnText), publish_at = \(publishAt),
                   version = version + 1, updated_at = \(now)
             WHERE id = \(id)
            """)
    }

    /// Deletes publications that are over since before a moment, with their targets and what was asked about them. One
    /// of which anything is still to be done, or to be found out, stays. Answers how many.
    func expirePublications(before moment: Timestamp, _ limit: Int) throws -> Int {
        let old = try rows(
            """
            SELECT p.id FROM publications p
             WHERE p.updated_at < \(moment)
               AND NOT EXISTS (SELECT 1 FROM publication_targets t
                                WHERE t.publication_id = p.id
                                  AND t.state IN ('scheduled', 'waiting', 'uploading', 'processing', 'unknown'))
             ORDER BY p.updated_at, p.id LIMIT \(limit)
            """
        ) { try $0.text() }
        guard !old.isEmpty else { return 0 }
        let targets: SQL = "SELECT id FROM publication_targets WHERE publication_id IN (\(SQL.list(old)))"
        try run("DELETE FROM works WHERE id IN (\(targets))")
        try run(
            """
            DELETE FROM reviews
             WHERE kind IN ('unknown_outcome', 'late_publication') AND state = 'decided' AND subject IN (\(targets))
            """)
        try run("DELETE FROM publication_targets WHERE publication_id IN (\(SQL.list(old)))")
        return try run("DELETE FROM publications WHERE id IN (\(SQL.list(old)))")
    }

    /// Something about its targets has changed.
    public func touch(_ id: ID<PublicationKind>, at now: Timestamp) throws {
        try run("UPDATE publications SET version = version + 1, updated_at = \(now) WHERE id = \(id)")
    }

    private static var publicationColumns: SQL {
        "t.id, t.content, t.media, t.publish_at, t.created_by, t.version, t.created_at, t.updated_at"
    }
    private static func publication(_ row: inout Row) throws -> PublicationRow {
        PublicationRow(
            id: try row.id(), content: try row.json(), media: try row.json(), publishAt: try row.optionalTime(),
            createdBy: try row.text(), version: try row.integer(), createdAt: try row.time(), updatedAt: try row.time())
    }
}

extension Row {
    /// JSON that we wrote.
    mutating func json() throws -> JSON {
        let text = try text()
        do { return try JSON.parse(text) } catch { throw StoreError.damaged("a column of JSON: \(error.sentence)") }
    }
}

extension JSON {
    /// Compact, as a column holds it.
    var columnText: String { String(decoding: bytes, as: UTF8.self) }
}
