import Engine
import HTTPTypes
import Hummingbird
import Kit
import Logging
import Store

/// Objects: files that the application gives us, to be published.
enum ObjectsAPI {
    static let path = [Parameter.id(ObjectKind.self)]
    /// Objects are kept so long unless it is said otherwise.
    static let usualLife = Duration.days(30)

    static let create = Action(
        "createObject", "Upload a file",
        notes: "The body is the file itself, of any size up to 4 GiB; it is passed to the disk as it comes. What it is "
            + "is read from its bytes. It is kept whole or not at all.",
        .needs(.write, "objects"),
        query: [
            Parameter("name", .line(1...200), "What to call it, for people."),
            Parameter("user_id", .line(1...256), "Whose it is: erased with that user."),
            Parameter("expires_at", .time, "Until when it is kept; 30 days unless said, longer while it is needed."),
        ],
        takesFile: true, isIdempotent: true, answers: [.created("The object.", ObjectView.schema)],
        problems: [.notSetUp]
    ) { request in
        let store = try request.objects
        guard let file = request.file else { throw Problem(.invalidRequest, "The request has no body.") }
        let kept: ObjectStore.Kept
        do { kept = try await store.take(file, length: request.fileLength) } catch let problem as ObjectProblem {
            throw Problem(problem)
        }
        guard kept.size > 0 else {
            await store.discard(kept)
            throw Problem(.invalidFields, [FieldProblem("body", "is empty. Send the file as the request's body.")])
        }
        let declared = request.headers[.contentType].map { OutsideText.bounded($0, 128) }
        let row = ObjectRow(
            id: kept.id, facts: kept.facts,
            contentType: kept.facts.kind == .other
                ? declared ?? MediaFacts.Kind.other.contentType : kept.facts.kind.contentType,
            size: kept.size, sha256: kept.sha256, name: request.queryText("name"),
            userID: request.queryText("user_id"), createdAt: request.now,
            expiresAt: request.queryTime("expires_at") ?? request.now + usualLife)
        let answer: Answer
        do {
            answer = try await request.once("create_object", content: kept.sha256) { session in
                try session.add(row)
                return .json(201, ObjectView(row: row)).with("Location", "/v1/objects/\(row.id)")
            }
        } catch {
            await store.discard(kept)
            throw error
        }
        // The stored answer to an earlier request speaks of an earlier object.
        if answer.headers["Idempotent-Replayed"] != nil { await store.discard(kept) }
        return answer
    }

    static let list = Action(
        "listObjects", "List objects", .needs(.read, "objects"),
        query: Paging.parameters + Paging.times + [
            Parameter("user_id", .line(1...256), "Of one user."),
            Parameter("kind", .words(ObjectView.kinds), "Of one kind."),
        ],
        answers: [.list(of: ObjectView.schema)], problems: [.invalidCursor]
    ) { request in
        let (page, user, kind) = (try request.page(), request.queryText("user_id"), request.queryText("kind"))
        let rows = try await request.app.database.read("objects") { try $0.objects(user: user, kind: kind, page) }
        return request.list(rows, page, id: \.id.text, ObjectView.init)
    }

    static let get = Action(
        "getObject", "Get an object", notes: "What it is. Its bytes are at `content`.", .needs(.read, "objects"),
        path: path, answers: [.ok("The object.", ObjectView.schema)], problems: [.notFound]
    ) { request in
        .json(200, ObjectView(row: try await request.object()))
    }

    static let content = Action(
        "getObjectContent", "Download an object",
        notes: "The bytes, as they came. Takes `Range: bytes=FIRST-LAST`, one range.", .needs(.read, "objects"),
        path: path,
        answers: [
            .document("The bytes.", "application/octet-stream"),
            AnswerDescription(
                status: 206, what: "A part of them.", contentType: "application/octet-stream", schema: nil,
                headers: []),
        ], problems: [.notFound, .rangeNotSatisfiable, .notSetUp]
    ) { request in
        let (store, row) = (try request.objects, try await request.object())
        let range: Range<Int64>
        do { range = try ByteRange.of(request.headers[.range], size: row.size) } catch {
            var problem = Problem(.rangeNotSatisfiable, "The object has \(row.size) bytes.")
            problem.headers = [Field("Content-Range", "bytes */\(row.size)")]
            throw problem
        }
        let pieces: ObjectStore.Pieces
        do { pieces = try await store.pieces(of: row.id, range) } catch let problem as ObjectProblem {
            throw Problem(problem)
        }
        let isWhole = range == 0..<row.size
        var answer = Answer(status: isWhole ? 200 : 206, contentType: "application/octet-stream")
        answer.headers = [
            Field("Accept-Ranges", "bytes"), Field("Content-Length", String(range.upperBound - range.lowerBound)),
            // Whatever it is, no browser takes it for a page of this server.
            Field("Content-Disposition", "attachment; filename=\"\(row.id)\""),
            Field("Content-Security-Policy", "sandbox; default-src 'none'"),
        ]
        if !isWhole {
            answer.headers.append(
                Field("Content-Range", "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(row.size)"))
        }
        answer.stream = { writer in
            for try await piece in pieces { try await writer.write(piece) }
            try await writer.finish(nil)
        }
        return answer
    }

    static let delete = Action(
        "deleteObject", "Delete an object", notes: "Not while a publication that is not over needs it.",
        .needs(.write, "objects"), path: path, answers: [.noContent], problems: [.notFound, .inUse, .notSetUp]
    ) { request in
        let (store, id, now) = (try request.objects, request.pathID(ObjectKind.self), request.now)
        try await request.app.database.write("delete_object") { session in
            guard try session.object(id) != nil else { throw Problem(.notFound, "There is no object \(id).") }
            guard try !session.isNeeded(id) else {
                throw Problem(.inUse, "A publication that is not over needs the object. Cancel it first.")
            }
            _ = try session.dropObject(id, at: now)
        }
        do { _ = try await store.deleteDropped() } catch is ObjectProblem {
            request.app.logger.warning("object.not_deleted", metadata: ["object": "\(id)"])
        }
        return .noContent
    }
}

extension APIRequest {
    fileprivate var objects: ObjectStore {
        get throws(Problem) {
            guard let objects = app.hooks.objects else {
                throw Problem(.notSetUp, "There is no folder for objects. Set DISK_STORAGE_PATH.")
            }
            return objects
        }
    }

    fileprivate func object() async throws -> ObjectRow {
        let id = pathID(ObjectKind.self)
        guard let row = try await app.database.read("object", { try $0.object(id) }) else {
            throw Problem(.notFound, "There is no object \(id).")
        }
        return row
    }
}

extension Problem {
    init(_ problem: ObjectProblem) {
        switch problem {
        case .full: self.init(.storageFull, problem.sentence, retryAfter: .seconds(60))
        case .tooLarge: self.init(.contentTooLarge, problem.sentence)
        case .short: self.init(.invalidRequest, problem.sentence)
        case .gone: self.init(.notFound, problem.sentence)
        case .folder(let reason): self.init(.notSetUp, reason)
        }
    }
}

/// One range of a file (RFC 9110, 14). More than one, or another unit, is as if nothing had been asked for.
enum ByteRange {
    struct Beyond: Error {}

    static func of(_ text: String?, size: Int64) throws(Beyond) -> Range<Int64> {
        guard let text, text.hasPrefix("bytes="), !text.contains(",") else { return 0..<size }
        let ends = text.dropFirst(6).split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2,
            ends.allSatisfy({ $0.utf8.count <= 18 && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } })
        else { return 0..<size }
        switch (Int64(ends[0]), Int64(ends[1])) {
        case (nil, nil): return 0..<size
        case (nil, let count?):
            guard count > 0, size > 0 else { throw Beyond() }
            return max(0, size - count)..<size
        case (let first?, let last):
            guard first < size else { throw Beyond() }
            guard let last else { return first..<size }
            return last < first ? 0..<size : first..<min(size, last + 1)
        }
    }
}

/// An object as the API shows it.
struct ObjectView: View {
    static let kinds = MediaFacts.Kind.allCases.map(\.rawValue)
    let row: ObjectRow

    static let schema = Schema.named(
        "Object",
        .object([
            .required("id", .id(ObjectKind.self), "Its id."),
            .required("kind", .words(kinds), "What its bytes are."),
            .required("content_type", .text(), "As the bytes say; as you declared where they say nothing."),
            .required("size", .integer(0...Int64.max), "In bytes."),
            .required("sha256", .text(), "In hex."),
            .required("name", Schema.text().orNull, "What you call it."),
            .required("user_id", Schema.text().orNull, "Whose it is."),
            .required("width", Schema.integer().orNull, "In pixels."),
            .required("height", Schema.integer().orNull, "In pixels."),
            .required("duration_ms", Schema.integer().orNull, "Of a video."),
            .required("frame_rate_milli", Schema.integer().orNull, "Frames in a thousand seconds: 29970."),
            .required("codec", Schema.text().orNull, "As the file names it: `avc1`."),
            .required("created_at", .time, "When it came."),
            .required("expires_at", Schema.time.orNull, "Until when it is kept."),
        ]))

    func write(to writer: inout JSONWriter) {
        let facts = row.facts.json
        writer.object { writer in
            writer.member("id", JSON(row.id))
            writer.member("kind", .string(row.facts.kind.rawValue))
            writer.member("content_type", .string(row.contentType))
            writer.member("size", JSON(row.size))
            writer.member("sha256", .string(String(decoding: Hex.encode(row.sha256), as: UTF8.self)))
            writer.member("name", JSON(row.name))
            writer.member("user_id", JSON(row.userID))
            for name in ["width", "height", "duration_ms", "frame_rate_milli", "codec"] {
                writer.member(name, facts[name] ?? .null)
            }
            writer.member("created_at", JSON(row.createdAt))
            writer.member("expires_at", JSON(row.expiresAt))
        }
    }
}
