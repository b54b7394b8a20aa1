public import Kit

/// Something that happened here, for everyone who follows: written with the act that it tells of.
public struct NewChange: Sendable {
    public let id: ID<ChangeKind>
    /// `noun.happened`.
    public let type: String
    /// The id of what it is about.
    public let subject: String?
    /// Of the subject, where it has versions; else 0.
    public let version: Int64
    public let userID: String?
    public let connectionID: String?
    public let occurredAt: Timestamp
    /// The `data` of the outbound event: a JSON object, rendered once.
    public let data: [UInt8]
    /// Outside bytes that `data` gains as its member `payload` when it is sent: a range of a kept body, not a copy.
    public let body: BodyRange?

    public init(
        id: ID<ChangeKind>, type: String, subject: String?, version: Int64 = 0, userID: String? = nil,
        connectionID: String? = nil, occurredAt: Timestamp, data: [UInt8], body: BodyRange? = nil
    ) {
        self.id = id
        self.type = type
        self.subject = subject
        self.version = version
        self.userID = userID
        self.connectionID = connectionID
        self.occurredAt = occurredAt
        self.data = data
        self.body = body
    }
}

/// A part of a kept body.
public struct BodyRange: Sendable, Equatable {
    public let body: String
    public let offset: Int
    public let length: Int
    public init(body: String, offset: Int, length: Int) {
        self.body = body
        self.offset = offset
        self.length = length
    }
}

/// A change with its place in the feed: final, dense, in commit order.
public struct Change: Sendable {
    public let position: Int64
    public let id: ID<ChangeKind>
    public let type: String
    public let subject: String?
    public let version: Int64
    public let userID: String?
    public let connectionID: String?
    public let occurredAt: Timestamp
    public let data: [UInt8]
    /// The bytes for `payload`, where the change refers to some that are still kept.
    public let payload: [UInt8]?

    public init(
        position: Int64, id: ID<ChangeKind>, type: String, subject: String?, version: Int64, userID: String?,
        connectionID: String?, occurredAt: Timestamp, data: [UInt8], payload: [UInt8]?
    ) {
        self.position = position
        self.id = id
        self.type = type
        self.subject = subject
        self.version = version
        self.userID = userID
        self.connectionID = connectionID
        self.occurredAt = occurredAt
        self.data = data
        self.payload = payload
    }
}

extension Session {
    /// Writes changes, after the rows that they tell of are held. On SQLite they get their positions at once; on
    /// PostgreSQL from the sequencer, once they are committed.
    public func append(_ changes: [NewChange]) throws {
        guard !changes.isEmpty else { return }
        let written = try insert(
            """
            INSERT INTO changes (id, type, subject, version, user_id, connection_id, occurred_at, payload, body_id,
                                 body_offset, body_length) VALUES
            """,
            changes.map {
                [
                    $0.id.cell, .text($0.type), $0.subject.cell, .integer($0.version), $0.userID.cell,
                    $0.connectionID.cell, $0.occurredAt.cell, .blob($0.data), ($0.body?.body).cell,
                    ($0.body?.offset).cell, ($0.body?.length).cell,
                ]
            },
            "RETURNING seq"
        ) { try $0.integer() }
        if dialect.placesChangesAtOnce {
            try place(written)
        } else {
            try insert("INSERT INTO feed_pending (seq) VALUES", written.map { [.integer($0)] })
        }
    }

    /// Gives positions to what has been committed and has none, in the order of `seq`. Two sequencers cannot
    /// interleave: the head's row is held first.
    ///
    /// - Returns: how many got one, and the last position.
    public func sequence(_ limit: Int) throws -> (placed: Int, head: Int64) {
        let head =
            try row("SELECT position FROM feed_head WHERE one = 1 \(dialect.forUpdate)") { try $0.integer() } ?? 0
        let pending = try rows(
            """
            DELETE FROM feed_pending
             WHERE seq IN (SELECT seq FROM feed_pending ORDER BY seq LIMIT \(limit))
            RETURNING seq
            """
        ) { try $0.integer() }
        try place(pending.sorted())
        return (pending.count, head + Int64(pending.count))
    }

    private func place(_ written: [Int64]) throws {
        guard !written.isEmpty else { return }
        let last = try row(
            "UPDATE feed_head SET position = position + \(written.count) WHERE one = 1 RETURNING position"
        ) { try $0.integer() }
        guard let last else { throw StoreError.damaged("feed_head has no row") }
        let first = last - Int64(written.count) + 1
        try insert(
            "INSERT INTO feed (position, seq) VALUES",
            written.enumerated().map { [.integer(first + Int64($0)), .integer($1)] })
    }

    /// The last position given.
    public func feedHead() throws -> Int64 {
        try row("SELECT position FROM feed_head WHERE one = 1") { try $0.integer() } ?? 0
    }
    /// The first position that is still kept; one more than the head when there is none.
    public func feedTail() throws -> Int64 {
        let first = try row("SELECT min(position) FROM feed") { try $0.optionalInteger() } ?? nil
        return try first ?? feedHead() + 1
    }

    /// The position before the first change of a moment or later; nil where there is none.
    ///
    /// Ids sort by time and positions by commit, so that the least of the first `near` counts: nodes whose clocks
    /// differ and commits that took long lose nothing.
    public func feedPosition(since moment: Timestamp) throws -> Int64? {
        let near = 256
        let first = try row(
            """
            SELECT min(position)
              FROM (SELECT f.position AS position
                      FROM changes c
                      JOIN feed f ON f.seq = c.seq
                     WHERE c.id >= \(ID<ChangeKind>.first(at: moment))
                     ORDER BY c.id
                     LIMIT \(near)) AS first_changes
            """
        ) { try $0.optionalInteger() }
        return (first ?? nil).map { $0 - 1 }
    }

    /// The position before the first change about a subject; nil where none is kept.
    public func feedPosition(ofFirstAbout subject: String) throws -> Int64? {
        let first = try row(
            """
            SELECT min(f.position)
              FROM changes c
              JOIN feed f ON f.seq = c.seq
             WHERE c.subject = \(subject)
            """
        ) { try $0.optionalInteger() }
        return (first ?? nil).map { $0 - 1 }
    }

    /// Changes after a position, in order, at most `limit`.
    public func changes(after position: Int64, limit: Int) throws -> [Change] {
        try rows(
            """
            SELECT f.position, \(Self.changeColumns)
              FROM feed f
              JOIN changes c ON c.seq = f.seq
              LEFT JOIN bodies b ON b.id = c.body_id
             WHERE f.position > \(position)
             ORDER BY f.position
             LIMIT \(limit)
            """, Self.change)
    }

    /// Changes at these positions, those that are still kept.
    public func changes(at positions: [Int64]) throws -> [Change] {
        guard !positions.isEmpty else { return [] }
        return try rows(
            """
            SELECT f.position, \(Self.changeColumns)
              FROM feed f
              JOIN changes c ON c.seq = f.seq
              LEFT JOIN bodies b ON b.id = c.body_id
             WHERE f.position IN (\(SQL.list(positions)))
             ORDER BY f.position
            """, Self.change)
    }

    /// The changes about one subject, newest first.
    ///
    /// - Parameter noun: only those of its types: `connection`.
    public func changes(about subject: String, of noun: String? = nil, limit: Int) throws -> [Change] {
        // Types are words with a point: from `connection.` up to what follows on the point.
        let types: SQL = noun.map { "AND c.type >= \($0 + ".") AND c.type < \($0 + "/")" } ?? ""
        return try rows(
            """
            SELECT coalesce(f.position, 0), \(Self.changeColumns)
              FROM changes c
              LEFT JOIN feed f ON f.seq = c.seq
              LEFT JOIN bodies b ON b.id = c.body_id
             WHERE c.subject = \(subject) \(types)
             ORDER BY c.seq DESC
             LIMIT \(limit)
            """, Self.change)
    }

    /// The newest change of all, placed or not; 0 for none.
    public func lastChange() throws -> Int64 {
        try row("SELECT coalesce(max(seq), 0) FROM changes") { try $0.integer() } ?? 0
    }
    /// The changes written after `lastChange` said so, without the bytes that they refer to.
    public func changes(written after: Int64, limit: Int) throws -> [Change] {
        try rows(
            """
            SELECT 0, c.id, c.type, c.subject, c.version, c.user_id, c.connection_id, c.occurred_at, c.payload, NULL,
                   NULL, c.body_offset, c.body_length
              FROM changes c
             WHERE c.seq > \(after)
             ORDER BY c.seq
             LIMIT \(limit)
            """, Self.change)
    }

    public func change(_ id: ID<ChangeKind>) throws -> Change? { try changes("c.id = \(id)", limit: 1).first }

    /// Changes whose ids lie in a range, without the bytes that they refer to.
    func changes(from: ID<ChangeKind>, to: ID<ChangeKind>, limit: Int) throws -> [Change] {
        try changes("c.id >= \(from) AND c.id < \(to)", limit: limit)
    }

    private func changes(_ condition: SQL, limit: Int) throws -> [Change] {
        try rows(
            """
            SELECT coalesce(f.position, 0), c.id, c.type, c.subject, c.version, c.user_id, c.connection_id,
                   c.occurred_at, c.payload, NULL, NULL, c.body_offset, c.body_length
              FROM changes c
              LEFT JOIN feed f ON f.seq = c.seq
             WHERE \(condition)
             ORDER BY c.id
             LIMIT \(limit)
            """, Self.change)
    }

    private static var changeColumns: SQL {
        """
        c.id, c.type, c.subject, c.version, c.user_id, c.connection_id, c.occurred_at, c.payload, b.bytes,
        b.encoding, c.body_offset, c.body_length
        """
    }

    private static func change(_ row: inout Row) throws -> Change {
        let position = try row.integer()
        let (id, type, subject, version): (ID<ChangeKind>, String, String?, Int64) = (
            try row.id(), try row.text(), try row.optionalText(), try row.integer()
        )
        let (user, connection, occurred, data) = (
            try row.optionalText(), try row.optionalText(), try row.time(), try row.blob()
        )
        let bytes = try row.optionalStoredBytes()
        let (offset, length) = (try row.optionalInteger(), try row.optionalInteger())
        return Change(
            position: position, id: id, type: type, subject: subject, version: version, userID: user,
            connectionID: connection, occurredAt: occurred, data: data,
            payload: bytes.flatMap { cut($0, offset: offset, length: length) })
    }
}

extension Change {
    /// The event that it names as its cause.
    public var causedBy: String? {
        (try? JSON.parse(data))?["event_id"]?.text  // Our own data; what cannot be read names no cause.
    }
}

/// A range of a kept body; nil when the range does not lie in it.
func cut(_ bytes: [UInt8], offset: Int64?, length: Int64?) -> [UInt8]? {
    guard let offset, let length, offset >= 0, length >= 0, offset + length <= bytes.count else { return nil }
    return offset == 0 && length == bytes.count ? bytes : Array(bytes[Int(offset)..<Int(offset + length)])
}
