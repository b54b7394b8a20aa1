import Engine
import HTTPTypes
import Hummingbird
import Kit
import Logging
import Store

/// Objects: files that the application gives us, to be published.
enum ObjectsAPI {
    static let path = [Parameter("key", .id(ObjectKind.self), "Its id.")]
    static let ofUser = Parameter("user_id", .line(1...256), "Whose it is: erased with that user.")
    /// Objects are kept so long unless it is said otherwise, or they have a key.
    static let usualLife = Duration.days(30)

    static let create = Action(
        "createObject", "Upload a file",
        notes: "The body is the file itself, of any size up to 4 GiB, or a form with it (multipart/form-data, one file "
            + "and nothing else); it is passed to the disk as it comes. What it is is read from its bytes. It is kept "
            + "whole or not at all.",
        .needs(.write, "objects"),
        query: [
            Parameter("name", .line(1...200), "What to call it, for people."), ofUser,
            Parameter("expires_at", .time, "Until when it is kept; 30 days unless said, longer while it is needed."),
        ],
        takesFile: true, isIdempotent: true, fileTypes: ["application/octet-stream", "multipart/form-data"],
        answers: [.created("The object.", ObjectView.schema)], problems: [.notSetUp]
    ) { request in
        let store = try request.objects
        let (kept, name, type) = try await request.takeFile(store)
        let row = kept.row(
            declared: type, name: request.queryText("name") ?? name, userID: request.queryText("user_id"),
            createdAt: request.now, expiresAt: request.queryTime("expires_at") ?? request.now + usualLife)
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
            Parameter("key", ObjectKey.schema, "What stands under this key: one or none."),
        ],
        answers: [.list(of: ObjectView.schema)], problems: [.invalidCursor]
    ) { request in
        let (page, user, kind) = (try request.page(), request.queryText("user_id"), request.queryText("kind"))
        let key = request.queryText("key")
        let rows = try await request.app.database.read("objects") {
            try $0.objects(user: user, kind: kind, key: key, page)
        }
        return request.list(rows, page, id: \.id.text, ObjectView.init)
    }

    static let get = Action(
        "getObject", "Get an object",
        notes: "By its id: what it is; its bytes are at `content`. By its key: its bytes, as `content` gives them, "
            + "declared as the object's `content_type`.",
        .needs(.read, "objects"), path: [ObjectKey.orID], isSignable: true,
        headers: SentObject.headers,
        answers: [.ok("What it is, by its id.", ObjectView.schema)] + SentObject.answers("*/*"),
        problems: [.rangeNotSatisfiable, .notSetUp]
    ) { request in
        let row = try await request.object()
        guard row.key == request.pathText("key") else { return .json(200, ObjectView(row: row)) }
        return try await SentObject.answer(request, row, as: row.contentType)
    }

    static let content = Action(
        "getObjectContent", "Download an object",
        notes: "The bytes, as they came. Takes `Range: bytes=FIRST-LAST`, one range. To a platform that fetches for a "
            + "publication they are declared as what they are.", .needs(.read, "objects"),
        path: path, isSignable: true, headers: SentObject.headers,
        answers: SentObject.answers("*/*"),
        problems: [.rangeNotSatisfiable, .notSetUp]
    ) { request in
        let row = try await request.object()
        return try await SentObject.answer(
            request, row,
            as: request.caller.isFetching ? row.facts.kind.contentType : MediaFacts.Kind.other.contentType)
    }

    static let delete = Action(
        "deleteObject", "Delete an object", notes: "Not while a publication that is not over needs it.",
        .needs(.write, "objects"), path: [ObjectKey.orID], headers: [ObjectCondition.ifMatch],
        answers: [.noContent], problems: [.inUse, .notSetUp, .preconditionFailed]
    ) { request in
        let (store, named, now) = (try request.objects, request.pathText("key"), request.now)
        let condition = try ObjectCondition(request.headers)
        try await request.app.database.write("delete_object") { session in
            guard let row = try session.object(named: named) else {
                throw Problem(.notFound, "There is no object \(named).")
            }
            try condition.check(row)
            guard try !session.isNeeded(row.id) else {
                throw Problem(.inUse, "A publication that is not over needs the object. Cancel it first.")
            }
            _ = try session.dropObject(row.id, at: now)
        }
        await store.removeDropped(request.app.logger)
        return .noContent
    }
}

extension APIRequest {
    var objects: ObjectStore {
        get throws(Problem) {
            guard let objects = app.hooks.objects else {
                throw Problem(.notSetUp, "There is no folder for objects. Set DISK_STORAGE_PATH.")
            }
            return objects
        }
    }

    /// By its id, or by its key.
    func object() async throws -> ObjectRow {
        let named = pathText("key")
        let row = try await app.database.read("object") { try $0.object(named: named) }
        guard let row else { throw Problem(.notFound, "There is no object \(named).") }
        return row
    }
}

extension Session {
    /// No key looks like an id.
    fileprivate func object(named text: String) throws -> ObjectRow? {
        try ID<ObjectKind>(text).map { try object($0) } ?? object(key: text)
    }
}

extension Problem {
    init(_ problem: ObjectProblem) {
        switch problem {
        case .full: self.init(.storageFull, problem.sentence, retryAfter: .seconds(60))
        case .tooLarge: self.init(.contentTooLarge, problem.sentence)
        case .short: self.init(.invalidRequest, problem.sentence)
        case .gone: self.init(.notFound, problem.sentence)
        case .busy, .elsewhere: self.init(.uploadElsewhere, problem.sentence)
        case .folder(let reason): self.init(.notSetUp, reason)
        }
    }
}
