public import Kit

/// A file that comes in several requests, under the id that its object will have.
public struct UploadRow: Sendable, Equatable {
    public let id: ID<ObjectKind>
    /// Of the whole file, in bytes.
    public let length: Int64
    public let key: String?
    public let contentType: String?
    public let name: String?
    public let userID: String?
    /// Until when its object is kept; nil: for ever.
    public let objectExpiresAt: Timestamp?
    public let createdAt: Timestamp

    public init(
        id: ID<ObjectKind>, length: Int64, key: String?, contentType: String?, name: String?, userID: String?,
        objectExpiresAt: Timestamp?, createdAt: Timestamp
    ) {
        self.id = id
        self.length = length
        self.key = key
        self.contentType = contentType
        self.name = name
        self.userID = userID
        self.objectExpiresAt = objectExpiresAt
        self.createdAt = createdAt
    }
}

extension Session {
    public func add(_ upload: UploadRow) throws {
        if let user = upload.userID { try ensureUser(user, source: "api", at: upload.createdAt) }
        try run(
            """
            INSERT INTO uploads (id, length, key, content_type, name, user_id, object_expires_at, created_at)
            VALUES (\(upload.id), \(upload.length), \(upload.key), \(upload.contentType), \(upload.name),
                    \(upload.userID), \(upload.objectExpiresAt), \(upload.createdAt))
            """)
    }

    public func upload(_ id: ID<ObjectKind>) throws -> UploadRow? {
        try row(
            """
            SELECT length, key, content_type, name, user_id, object_expires_at, created_at FROM uploads
             WHERE id = \(id)
            """
        ) { row in
            UploadRow(
                id: id, length: try row.integer(), key: try row.optionalText(), contentType: try row.optionalText(),
                name: try row.optionalText(), userID: try row.optionalText(),
                objectExpiresAt: try row.optionalTime(), createdAt: try row.time())
        }
    }

    /// False when there is none.
    public func endUpload(_ id: ID<ObjectKind>) throws -> Bool {
        try run("DELETE FROM uploads WHERE id = \(id)") == 1
    }

    /// Those that were begun before a moment, the oldest first.
    public func uploads(before moment: Timestamp, _ limit: Int) throws -> [ID<ObjectKind>] {
        try rows(
            "SELECT id FROM uploads WHERE created_at < \(moment) ORDER BY created_at, id LIMIT \(limit)"
        ) { try $0.id() }
    }
}
