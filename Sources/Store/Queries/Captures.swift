public import Kit

/// A time in which the bodies of calls are kept, redacted and sealed: of one connection, or of a whole platform.
public struct CaptureRow: Sendable, Equatable {
    public let id: ID<CaptureKind>
    public let provider: String
    /// Nil for every call to the platform.
    public let connection: ID<ConnectionKind>?
    public let beganAt: Timestamp
    /// When it ends by itself, or was ended.
    public let endsAt: Timestamp
    /// That were kept.
    public let calls: Int64
    public let callsMax: Int64
    /// Who asked for it: a key's or an operator's id.
    public let startedBy: String

    public init(
        id: ID<CaptureKind>, provider: String, connection: ID<ConnectionKind>?, beganAt: Timestamp, endsAt: Timestamp,
        calls: Int64 = 0, callsMax: Int64, startedBy: String
    ) {
        self.id = id
        self.provider = provider
        self.connection = connection
        self.beganAt = beganAt
        self.endsAt = endsAt
        self.calls = calls
        self.callsMax = callsMax
        self.startedBy = startedBy
    }

    /// Whether calls that leave now are kept.
    public func isOpen(at now: Timestamp) -> Bool { endsAt > now && calls < callsMax }
}

/// What is kept of a call's bodies, sealed.
public struct CapturedCall: Sendable, Equatable {
    public let capture: ID<CaptureKind>
    public let sealed: [UInt8]
    public let keyID: String

    public init(capture: ID<CaptureKind>, sealed: [UInt8], keyID: String) {
        self.capture = capture
        self.sealed = sealed
        self.keyID = keyID
    }
}

extension Session {
    public func begin(_ capture: CaptureRow) throws {
        try run(
            """
            INSERT INTO captures (id, provider, connection_id, began_at, ends_at, calls, calls_max, started_by)
            VALUES (\(capture.id), \(capture.provider), \(capture.connection), \(capture.beganAt), \(capture.endsAt), 0,
                    \(capture.callsMax), \(capture.startedBy))
            """)
    }

    public func capture(_ id: ID<CaptureKind>) throws -> CaptureRow? {
        try row("SELECT \(Self.captureColumns) FROM captures t WHERE t.id = \(id)", Self.capture)
    }

    /// Ends a capture before its time. False when it is over.
    public func end(_ id: ID<CaptureKind>, at now: Timestamp) throws -> Bool {
        try run("UPDATE captures SET ends_at = \(now) WHERE id = \(id) AND ends_at > \(now)") == 1
    }

    /// Those in which calls are kept now.
    public func openCaptures(at now: Timestamp) throws -> [CaptureRow] {
        try rows(
            """
            SELECT \(Self.captureColumns) FROM captures t
             WHERE t.ends_at > \(now) AND t.calls < t.calls_max
             ORDER BY t.ends_at, t.id LIMIT 1000
            """, Self.capture)
    }

    public func captures(of connection: String?, at provider: String?, _ page: ListPage) throws -> [CaptureRow] {
        try list(
            Listed(columns: Self.captureColumns, from: "captures t", createdAt: nil, prefix: "cap"),
            where: conditions([("connection_id", connection), ("provider", provider)]), page, Self.capture)
    }

    /// What was kept of a call; nil where nothing was, or it is gone.
    public func captured(_ call: ID<CallKind>) throws -> CapturedCall? {
        try row("SELECT capture_id, key_id, sealed FROM captured_calls WHERE id = \(call)") { row in
            let (capture, key): (ID<CaptureKind>, String) = (try row.id(), try row.text())
            return CapturedCall(capture: capture, sealed: try row.blob(), keyID: key)
        }
    }

    /// Which of these calls have something kept.
    public func haveCaptured(_ calls: [ID<CallKind>]) throws -> Set<String> {
        guard !calls.isEmpty else { return [] }
        return Set(
            try rows("SELECT id FROM captured_calls WHERE id IN (\(SQL.list(calls.map(\.text))))") { try $0.text() })
    }

    /// Keeps a call's bodies beside it, while there is room in its capture, and the connection has not ended since it
    /// left.
    func keepCaptured(of call: CallRow) throws {
        guard let captured = call.captured else { return }
        if let connection = call.connection {
            let stands = try row(
                "SELECT 1 FROM oauth_accounts WHERE id = \(connection) AND deleted_at IS NULL \(dialect.forUpdate)",
                { try $0.integer() })
            guard stands != nil else { return }
        }
        let hasRoom = try run(
            """
            UPDATE captures SET calls = calls + 1
             WHERE id = \(captured.capture) AND ends_at > \(call.at) AND calls < calls_max
            """)
        guard hasRoom == 1 else { return }
        try run(
            """
            INSERT INTO captured_calls (id, capture_id, key_id, sealed)
            VALUES (\(call.id), \(captured.capture), \(captured.keyID), \(captured.sealed))
            ON CONFLICT (id) DO NOTHING
            """)
    }

    /// Erases what was captured of connections, and ends it. Before their calls forget whose they are.
    ///
    /// - Parameter connections: selects their ids.
    func eraseCaptures(of connections: SQL) throws {
        try run("DELETE FROM captures WHERE connection_id IN (\(connections))")
        try run(
            "DELETE FROM captured_calls WHERE id IN (SELECT id FROM calls WHERE connection_id IN (\(connections)))")
    }

    /// Erases what was captured of calls that were made for a user.
    func eraseCaptures(for user: String) throws {
        try run("DELETE FROM captured_calls WHERE id IN (SELECT id FROM calls WHERE user_id = \(user))")
    }

    /// Deletes what is older than it is kept for. Answers how many rows.
    func expireCaptures(before moment: Timestamp, _ limit: Int) throws -> Int {
        try run(
            """
            DELETE FROM captured_calls
             WHERE id IN (SELECT id FROM captured_calls WHERE id < \(ID<CallKind>.floor(moment).text)
                           ORDER BY id LIMIT \(limit))
            """)
            + run(
                """
                DELETE FROM captures
                 WHERE id IN (SELECT id FROM captures WHERE ends_at < \(moment) ORDER BY ends_at LIMIT \(limit))
                """)
    }

    private static var captureColumns: SQL {
        "t.id, t.provider, t.connection_id, t.began_at, t.ends_at, t.calls, t.calls_max, t.started_by"
    }
    private static func capture(_ row: inout Row) throws -> CaptureRow {
        CaptureRow(
            id: try row.id(), provider: try row.text(), connection: try row.optionalID(),
            beganAt: try row.time(), endsAt: try row.time(), calls: try row.integer(), callsMax: try row.integer(),
            startedBy: try row.text())
    }
}
