import Engine
import Hummingbird
import Kit
import Logging
import Store

/// What an application calls an object. Never a part of a path on the disk: there it lies under its id.
enum ObjectKey {
    static let schema = form { isKey($0) }
    /// Of one object: by id or by key.
    static let orID = Parameter(
        "key", form { isKey($0) || ID<ObjectKind>($0) != nil }.example("obj_01kb2c3d4e5f6g7h8j9k0m1n2p"),
        "Its id, or the key under which it stands. Slashes may be written as they are, seven at most, or as `%2F`.",
        takesRest: true)
    static let new = Parameter(
        "key", schema.example("menus/2026/rye.mp4"),
        "The key under which it stands from now on. Slashes may be written as they are, seven at most, or as `%2F`.",
        takesRest: true)

    private static func form(_ fits: @escaping @Sendable (String) -> Bool) -> Schema {
        .form(
            1...512, pattern: #"^[^\u0000-\u001f\u007f\\]+$"#,
            "a key: 1 to 512 characters, no control characters, no \\, no part between slashes that is empty, . or ..; "
                + "it does not begin with obj_, end with /content, or read presign", fits)
    }

    /// Addresses are tidied by proxies and browsers, and some are other operations: what they could take for another
    /// is no key.
    static func isKey(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { $0.value > 0x1F && $0.value != 0x7F && $0 != "\\" }
            && text.split(separator: "/", omittingEmptySubsequences: false).allSatisfy {
                !$0.isEmpty && $0 != "." && $0 != ".."
            }
            && !text.hasPrefix("obj_") && !text.hasSuffix("/content") && text != "presign"
    }
}

extension ObjectsAPI {
    static let put = Action(
        "putObject", "Put a file under a key",
        notes:
            "The body is the file. Under the key stands the old file until the new one is whole, and the new one from "
            + "then on; a publication goes on with the one that it was made with. It is kept until it is deleted, "
            + "unless `expires_at` says otherwise.",
        .needs(.write, "objects"), path: [ObjectKey.new],
        query: [
            Parameter("name", .line(1...200), "What to call it, for people."), ofUser,
            Parameter("expires_at", .time, "Until when it is kept, longer while it is needed."),
            Parameter("content_type", .line(1...128), "The request is refused unless it declares this type."),
            Parameter("size_max", .integer(1...ObjectStore.sizeMax), "The request is refused if it brings more bytes."),
        ],
        takesFile: true, isSignable: true, headers: [ObjectCondition.ifMatch, ObjectCondition.ifNoneMatch],
        answers: [
            .created("There was none.", ObjectView.schema, headers: ["ETag"]),
            .ok("It stands in the place of another.", ObjectView.schema, headers: ["ETag"]),
        ],
        problems: [.notSetUp, .preconditionFailed, .twinRunning, .unsupportedMediaType]
    ) { request in
        let (store, key, now) = (try request.objects, request.pathText("key"), request.now)
        let condition = try ObjectCondition(request.headers)
        // Before the file comes, as far as that can be said; and once more when it takes its place.
        try condition.check(try await request.app.database.read("object_by_key") { try $0.object(key: key) })
        let type = request.declaredType
        if let wanted = request.queryText("content_type"), type != wanted {
            throw Problem(.unsupportedMediaType, "Send Content-Type: \(wanted).")
        }
        guard let file = request.file else { throw Problem(.invalidRequest, "The request has no body.") }
        let most = request.queryInteger("size_max") ?? ObjectStore.sizeMax
        let kept = try await store.taking { try await $0.take(file, length: request.fileLength, most: most) }
        let row = kept.row(
            declared: type, name: request.queryText("name"), userID: request.queryText("user_id"), createdAt: now,
            expiresAt: request.queryTime("expires_at"), key: key)
        let old = try await store.seat(row, kept, in: request.app.database) { try condition.check($0) }
        if old != nil { await store.removeDropped(request.app.logger) }
        return .json(old == nil ? 201 : 200, ObjectView(row: row)).with("ETag", row.tag)
            .with("Location", "/v1/objects/\(PercentEncoding.encode(key))")
    }
}

extension APIRequest {
    var declaredType: String? { headers[.contentType].map { OutsideText.bounded($0, 128) } }

    /// The file that the body is, or the one in its form, with the name that it has there.
    func takeFile(_ store: ObjectStore) async throws -> (kept: ObjectStore.Kept, name: String?, type: String?) {
        guard let file else { throw Problem(.invalidRequest, "The request has no body.") }
        // Of a form that a page has read, the file is a body of its own.
        guard SentParts.isMultipart(headers[.contentType]) else {
            return (try await store.taking { try await $0.take(file, length: fileLength) }, nil, declaredType)
        }
        guard var parts = SentParts(BodyBytes(file), contentType: headers[.contentType]) else {
            throw Problem(.invalidRequest, "The form names no boundary. Send it as a browser does.")
        }
        var found: (kept: ObjectStore.Kept, name: String?, type: String?)?
        do {
            while let part = try await parts.next() {
                guard let fileName = part.fileName, found == nil else {
                    throw Problem(
                        .invalidFields,
                        [
                            FieldProblem(
                                OutsideText.bounded(part.name, 64),
                                found == nil
                                    ? "is no file. What else is to be said stands in the query."
                                    : "is one too many. Send one file a request.")
                        ])
                }
                let kept = try await parts.pass { body in
                    try await store.taking { try await $0.take(body, length: nil) }
                }
                let name = OutsideText.bounded(fileName, 200).filter { !$0.isNewline }
                found = (kept, name.isEmpty ? nil : name, part.contentType.map { OutsideText.bounded($0, 128) })
            }
            guard let found else {
                throw Problem(.invalidFields, [FieldProblem("file", "is missing. Send one file in the form.")])
            }
            return found
        } catch {
            if let found { await store.discard(found.kept) }
            guard error is SentParts.Broken else { throw error }
            throw Problem(.invalidRequest, "The form did not come whole. Send it again.")
        }
    }
}

extension ObjectStore {
    /// Takes a file in, and refuses an empty one.
    func taking(_ take: (ObjectStore) async throws -> Kept) async throws -> Kept {
        let kept: Kept
        do { kept = try await take(self) } catch let problem as ObjectProblem { throw Problem(problem) }
        guard kept.size > 0 else {
            await discard(kept)
            throw Problem(.invalidFields, [FieldProblem("body", "is empty. Send the file as the request's body.")])
        }
        return kept
    }

    /// Gives a file its row: under its key instead of the object that had it, which is answered. Two that come at once
    /// are put there one after the other. What was uploaded in parts stays when it cannot be put there now: it is asked
    /// for again.
    func seat(
        _ row: ObjectRow, _ kept: Kept, in database: any Database,
        ending upload: ID<ObjectKind>? = nil, if fits: @escaping @Sendable (ObjectRow?) throws -> Void = { _ in }
    ) async throws -> ObjectRow? {
        @Sendable func seat(_ session: Session) throws -> ObjectRow? {
            if let upload, try !session.endUpload(upload) {
                // Another request has made the object meanwhile, or the upload was given up.
                guard try session.object(upload) != nil else { throw ObjectProblem.gone }
                return nil
            }
            let old = try row.key.flatMap { try session.object(key: $0) }
            try fits(old)
            if let old { try session.unseat(old.id, at: row.createdAt) }
            try session.add(row)
            return old
        }
        do {
            do { return try await database.write("seat_object", in: .work, seat) } catch StoreError.constraint {
                return try await database.write("seat_object", in: .work, seat)
            }
        } catch StoreError.conflict {
            if upload == nil { await discard(kept) }
            throw Problem(.twinRunning, "Others put files under this key. Send it again in a second.")
        } catch {
            if upload == nil { await discard(kept) }
            throw error
        }
    }

    /// Removes files that are to go; the sweep does what cannot be done now.
    func removeDropped(_ logger: Logger) async {
        do { _ = try await deleteDropped() } catch {
            logger.warning("object.not_deleted", metadata: ["reason": "\(error)"])
        }
    }
}

extension ObjectStore.Kept {
    func row(
        declared: String?, name: String?, userID: String?, createdAt: Timestamp, expiresAt: Timestamp?,
        key: String? = nil
    ) -> ObjectRow {
        // What is declared becomes a header one day: only what is written as a type is believed.
        let declared = declared.flatMap { text in
            text.contains("/") && text.utf8.allSatisfy { (0x20...0x7E).contains($0) } ? text : nil
        }
        let type = facts.kind == .other ? declared ?? facts.kind.contentType : facts.kind.contentType
        return ObjectRow(
            id: id, facts: facts, contentType: type, size: size, sha256: sha256, name: name, userID: userID,
            createdAt: createdAt, expiresAt: expiresAt, key: key)
    }
}
