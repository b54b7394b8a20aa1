public import Kit

/// A file that was given to us, as its row says.
public struct ObjectRow: Sendable, Equatable {
    public let id: ID<ObjectKind>
    public let facts: MediaFacts
    /// As the bytes say, or as it was declared where they say nothing.
    public let contentType: String
    public let size: Int64
    public let sha256: [UInt8]
    public let name: String?
    public let userID: String?
    public let createdAt: Timestamp
    /// Nil: never.
    public let expiresAt: Timestamp?
    /// What the application calls it: at most one object at a time has it.
    public let key: String?

    public init(
        id: ID<ObjectKind>, facts: MediaFacts, contentType: String, size: Int64, sha256: [UInt8], name: String?,
        userID: String?, createdAt: Timestamp, expiresAt: Timestamp?, key: String? = nil
    ) {
        self.id = id
        self.facts = facts
        self.contentType = contentType
        self.size = size
        self.sha256 = sha256
        self.name = name
        self.userID = userID
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.key = key
    }
}

extension Session {
    /// Keeps a row for a file that lies in its place already.
    public func add(_ object: ObjectRow) throws {
        if let user = object.userID { try ensureUser(user, source: "api", at: object.createdAt) }
        try run(
            """
            INSERT INTO objects (id, kind, content_type, size, sha256, facts, name, user_id, created_at, expires_at,
                                 key)
            VALUES (\(object.id), \(object.facts.kind.rawValue), \(object.contentType), \(object.size),
                    \(object.sha256), \(object.facts.json.columnText), \(object.name), \(object.userID),
                    \(object.createdAt), \(object.expiresAt), \(object.key))
            """)
    }

    /// Nil where there is none, or it is about to go.
    public func object(_ id: ID<ObjectKind>) throws -> ObjectRow? {
        try row(
            """
            SELECT \(Self.objectColumns) FROM objects t WHERE t.id = \(id) AND t.deleting_at IS NULL
            """, Self.object)
    }

    /// What stands under a key now.
    public func object(key: String) throws -> ObjectRow? {
        try row(
            """
            SELECT \(Self.objectColumns) FROM objects t WHERE t.key = \(key) AND t.deleting_at IS NULL
            """, Self.object)
    }

    /// Takes the key from an object, so that another may have it. Its file goes as soon as nothing needs it.
    public func unseat(_ id: ID<ObjectKind>, at now: Timestamp) throws {
        try run("UPDATE objects SET key = NULL, expires_at = \(now) WHERE id = \(id)")
        if try !isNeeded(id) { _ = try dropObject(id, at: now) }
    }

    public func objects(user: String?, kind: String?, key: String? = nil, _ page: ListPage) throws -> [ObjectRow] {
        try list(
            Listed(columns: Self.objectColumns, from: "objects t", createdAt: "t.created_at", prefix: "obj"),
            where: conditions([("user_id", user), ("kind", kind), ("key", key)]) + ["t.deleting_at IS NULL"], page,
            Self.object)
    }

    /// Marks an object as one whose file is to go. False when there is none.
    public func dropObject(_ id: ID<ObjectKind>, at now: Timestamp) throws -> Bool {
        try run("UPDATE objects SET deleting_at = \(now) WHERE id = \(id) AND deleting_at IS NULL") == 1
    }

    /// Whether a publication that is not over needs it.
    public func isNeeded(_ id: ID<ObjectKind>) throws -> Bool {
        try row(
            """
            SELECT 1 FROM publication_targets t JOIN publications p ON p.id = t.publication_id
             WHERE t.state IN ('scheduled', 'waiting', 'uploading', 'processing', 'unknown')
               AND p.media LIKE \("%\"\(id.text)\"%")
             LIMIT 1
            """
        ) { try $0.integer() } != nil
    }

    /// Objects whose time is over, and that nothing needs: marked as such. Answers how many were looked at.
    public func expireObjects(_ limit: Int, at now: Timestamp) throws -> Int {
        let due = try rows(
            """
            SELECT id FROM objects WHERE expires_at <= \(now) AND deleting_at IS NULL ORDER BY expires_at, id
             LIMIT \(limit)
            """
        ) { try $0.id(ObjectKind.self) }
        for id in due {
            if try isNeeded(id) {
                // Looked at again tomorrow.
                try run("UPDATE objects SET expires_at = \(now + .days(1)) WHERE id = \(id)")
            } else {
                _ = try dropObject(id, at: now)
            }
        }
        return due.count
    }

    /// Objects whose files are to go.
    public func objectsToDelete(_ limit: Int) throws -> [ID<ObjectKind>] {
        try rows("SELECT id FROM objects WHERE deleting_at IS NOT NULL ORDER BY deleting_at, id LIMIT \(limit)") {
            try $0.id()
        }
    }
    /// Their files are gone.
    public func forgetObjects(_ ids: [ID<ObjectKind>]) throws {
        guard !ids.isEmpty else { return }
        try run("DELETE FROM objects WHERE deleting_at IS NOT NULL AND id IN (\(SQL.list(ids.map(\.text))))")
    }
    /// Those of these ids that have a row.
    public func knownObjects(_ ids: [String]) throws -> Set<String> {
        guard !ids.isEmpty else { return [] }
        return Set(try rows("SELECT id FROM objects WHERE id IN (\(SQL.list(ids)))") { try $0.text() })
    }

    private static var objectColumns: SQL {
        """
        t.id, t.kind, t.content_type, t.size, t.sha256, t.facts, t.name, t.user_id, t.created_at, t.expires_at,
        t.key
        """
    }
    private static func object(_ row: inout Row) throws -> ObjectRow {
        let id = try row.id(ObjectKind.self)
        let kind = MediaFacts.Kind(rawValue: try row.text()) ?? .other
        let (type, size, hash) = (try row.text(), try row.integer(), try row.blob())
        return ObjectRow(
            id: id, facts: MediaFacts(kind, stored: try row.text()), contentType: type, size: size, sha256: hash,
            name: try row.optionalText(), userID: try row.optionalText(), createdAt: try row.time(),
            expiresAt: try row.optionalTime(), key: try row.optionalText())
    }
}

extension MediaFacts {
    /// Without what is not known.
    public var json: JSON {
        var members: [JSONMember] = []
        if let width { members.append(.init("width", JSON(width))) }
        if let height { members.append(.init("height", JSON(height))) }
        if let duration { members.append(.init("duration_ms", JSON(duration.microseconds / 1000))) }
        if let frameRate { members.append(.init("frame_rate_milli", JSON(Int64(min(1e9, frameRate * 1000))))) }
        if let codec { members.append(.init("codec", .string(codec))) }
        return .object(members)
    }

    /// What `json` made.
    init(_ kind: Kind, stored text: String) {
        self.init(kind)
        let json = (try? JSON.parse(text)) ?? .null  // Our own.
        width = json["width"]?.integer.map { Int(clamping: $0) }
        height = json["height"]?.integer.map { Int(clamping: $0) }
        duration = json["duration_ms"]?.integer.map { .milliseconds($0) }
        frameRate = json["frame_rate_milli"]?.integer.map { Double($0) / 1000 }
        codec = json["codec"]?.text
    }
}
