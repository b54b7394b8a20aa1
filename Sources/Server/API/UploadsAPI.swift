import Engine
import Hummingbird
import Kit
import NIOCore
import Store

/// Files that come in several requests, by the tus protocol 1.0 (https://tus.io/protocols/resumable-upload), so that
/// its clients can be used as they are.
enum UploadsAPI {
    static let path = [Parameter.id(ObjectKind.self)]
    private static let version = Parameter("Tus-Resumable", .line(1...20).example("1.0.0"), "The protocol: 1.0.0.")
    private static let told = ["Tus-Resumable", "Upload-Offset", "Upload-Length"]
    private static let size = Schema.form(1...18, pattern: "^[0-9]+$", "a number of bytes") { text in
        text.utf8.allSatisfy { (0x30...0x39).contains($0) }
    }

    static let create = Action(
        "createUpload", "Begin an upload in parts",
        notes:
            "For large files and bad lines, by the tus protocol 1.0: PATCH brings bytes, HEAD says how many are here, "
            + "and with the last one the object is there, under the id that this answers.",
        .needs(.write, "objects"),
        query: [
            Parameter("key", ObjectKey.schema, "The key under which the object will stand."),
            Parameter("name", .line(1...200), "What to call it, for people."), ObjectsAPI.ofUser,
            Parameter("content_type", .line(1...128), "What it is, where its bytes do not say."),
            Parameter(
                "expires_at", .time, "Until when the object is kept; 30 days, or with a key for ever, unless said."),
        ],
        headers: [
            Parameter("Upload-Length", size.example("1048576"), "Of the whole file, in bytes.", isRequired: true),
            Parameter("Upload-Metadata", .line(1...2000), "`filename` and `filetype`, as tus writes them."), version,
        ],
        answers: [.created("The upload.", UploadView.schema, headers: told)],
        problems: [.notSetUp, .contentTooLarge, .storageFull, .preconditionFailed]
    ) { request in
        try request.checkTus()
        let length = try request.bytes(in: .uploadLength)
        guard length > 0 else { throw Problem(.invalidHeader, [FieldProblem("Upload-Length", "must be 1 or more.")]) }
        let store = try request.objects
        let metadata = UploadMetadata(request.headers[.uploadMetadata])
        let (key, now) = (request.queryText("key"), request.now)
        let id: ID<ObjectKind>
        do { id = try await store.beginUpload(length: length) } catch let problem as ObjectProblem {
            throw Problem(problem)
        }
        let row = UploadRow(
            id: id, length: length, key: key, contentType: request.queryText("content_type") ?? metadata["filetype"],
            name: request.queryText("name") ?? metadata["filename"], userID: request.queryText("user_id"),
            objectExpiresAt: request.queryTime("expires_at") ?? (key == nil ? now + ObjectsAPI.usualLife : nil),
            createdAt: now)
        try await request.app.database.write("begin_upload", in: .work) { try $0.add(row) }
        return UploadView(id: id, length: length, offset: 0, createdAt: now).told(201)
            .with("Location", "/v1/uploads/\(id)")
    }

    static let get = Action(
        "getUpload", "Get an upload", notes: "`Upload-Offset` says where to go on; HEAD does as well.",
        .needs(.read, "objects"), path: path,
        answers: [.ok("How far it is.", UploadView.schema, headers: told)], problems: [.notSetUp]
    ) { request in
        let (store, id) = (try request.objects, request.pathID(ObjectKind.self))
        guard let upload = try await request.upload() else {
            // Its last answer may have been lost.
            let row = try await request.app.database.read("object") { try $0.object(id) }
            guard let row else { throw Problem(.notFound, "There is no upload \(id).") }
            return UploadView(id: id, length: row.size, offset: row.size, createdAt: row.createdAt).told(200)
        }
        do {
            let offset = try await store.uploaded(id)
            if offset == upload.length { try await finish(upload, request) }
            return UploadView(id: id, length: upload.length, offset: offset, createdAt: upload.createdAt).told(200)
        } catch is ObjectProblem { throw Problem(.notFound, "The upload \(id) was given up. Begin a new one.") }
    }

    static let append = Action(
        "appendToUpload", "Bring more of an upload",
        notes: "The body is the bytes that follow. What has come stays when the request breaks off. A request without "
            + "bytes at the end finishes an upload that is whole.",
        .needs(.write, "objects"), path: path, takesFile: true, fileTypes: ["application/offset+octet-stream"],
        headers: [
            Parameter("Upload-Offset", size.example("0"), "Where they belong: how many are here.", isRequired: true),
            version,
        ],
        answers: [
            AnswerDescription(
                status: 204, what: "They are here.", contentType: nil, schema: nil,
                headers: ["Tus-Resumable", "Upload-Offset"])
        ],
        problems: [.notSetUp, .uploadElsewhere, .unsupportedMediaType, .preconditionFailed, .twinRunning]
    ) { request in
        let id = request.pathID(ObjectKind.self)
        try request.checkTus()
        let offset = try request.bytes(in: .uploadOffset)
        guard request.declaredType?.lowercased() == "application/offset+octet-stream" else {
            throw Problem(.unsupportedMediaType, "Send Content-Type: application/offset+octet-stream.")
        }
        guard let upload = try await request.upload() else { throw Problem(.notFound, "There is no upload \(id).") }
        guard let file = request.file else { throw Problem(.invalidRequest, "The request has no body.") }
        let count: Int64
        do { count = try await take(file, at: offset, of: upload, request) } catch let problem as ObjectProblem {
            throw Problem(problem)
        }
        return Answer.noContent.with("Tus-Resumable", "1.0.0").with("Upload-Offset", String(count))
    }

    /// Makes the object of an upload whose last part came whole, where whoever took it ended before that.
    private static func finish(_ upload: UploadRow, _ request: APIRequest) async throws {
        do {
            _ = try await take(RequestBody(buffer: ByteBuffer()), at: upload.length, of: upload, request)
        } catch is ObjectProblem {}  // It is being made just now.
    }

    /// More of a file; with its last byte it becomes the object. How many bytes are here.
    private static func take(
        _ file: RequestBody, at offset: Int64, of upload: UploadRow, _ request: APIRequest
    ) async throws -> Int64 {
        let store = try request.objects
        let (count, kept) = try await store.append(file, to: upload.id, at: offset, length: upload.length)
        guard let kept else { return count }
        let row = kept.row(
            declared: upload.contentType, name: upload.name, userID: upload.userID, createdAt: request.now,
            expiresAt: upload.objectExpiresAt, key: upload.key)
        let old = try await store.seat(row, kept, in: request.app.database, ending: upload.id)
        if old != nil { await store.removeDropped(request.app.logger) }
        return count
    }

    static let delete = Action(
        "deleteUpload", "Give up an upload", .needs(.write, "objects"), path: path, headers: [version],
        answers: [.noContent], problems: [.notSetUp, .preconditionFailed]
    ) { request in
        let (store, id) = (try request.objects, request.pathID(ObjectKind.self))
        try request.checkTus()
        guard try await request.app.database.write("end_upload", in: .work, { try $0.endUpload(id) }) else {
            throw Problem(.notFound, "There is no upload \(id).")
        }
        try await store.dropUpload(id)
        return Answer.noContent.with("Tus-Resumable", "1.0.0")
    }
}

extension APIRequest {
    fileprivate func upload() async throws -> UploadRow? {
        let id = pathID(ObjectKind.self)
        return try await app.database.read("upload") { try $0.upload(id) }
    }

    /// A caller that names no version of the protocol gets the one that there is.
    fileprivate func checkTus() throws(Problem) {
        guard headers[.tusResumable].map({ $0 == "1.0.0" }) ?? true else {
            throw Problem(.preconditionFailed, "This server speaks tus 1.0.0. Send Tus-Resumable: 1.0.0.")
        }
    }

    fileprivate func bytes(in name: HTTPFields.Element.Name) throws(Problem) -> Int64 {
        guard let text = headers[name], text.utf8.count <= 18, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let count = Int64(text)
        else { throw Problem(.invalidHeader, [FieldProblem(name.rawName, "must be a number of bytes.")]) }
        return count
    }
}

/// What a client of tus says of its file: names and values in base64, as in `filename cnllLm1wNA==,is_draft`.
struct UploadMetadata {
    private let values: [String: String]

    init(_ header: String?) {
        var values: [String: String] = [:]
        for pair in (header ?? "").split(separator: ",").prefix(20) {
            let parts = pair.split(separator: " ").map(String.init)
            guard parts.count == 2, let bytes = Base64.decode(parts[1].utf8) else { continue }
            let text = OutsideText.bounded(String(decoding: bytes, as: UTF8.self), 128).filter { !$0.isNewline }
            if !text.isEmpty { values[parts[0]] = text }
        }
        self.values = values
    }

    subscript(name: String) -> String? { values[name] }
}

/// An upload as the API shows it.
struct UploadView: View {
    let id: ID<ObjectKind>
    let length: Int64
    let offset: Int64
    let createdAt: Timestamp

    static let schema = Schema.named(
        "Upload",
        .object([
            .required("id", .id(ObjectKind.self), "Its id, and the object's when it is whole."),
            .required("length", .integer(0...Int64.max), "Of the whole file, in bytes."),
            .required("offset", .integer(0...Int64.max), "How many are here."),
            .required("created_at", .time, "When it began."),
        ]))

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", JSON(id))
            writer.member("length", JSON(length))
            writer.member("offset", JSON(offset))
            writer.member("created_at", JSON(createdAt))
        }
    }

    /// With the headers that tus reads.
    func told(_ status: Int) -> Answer {
        Answer.json(status, self).with("Tus-Resumable", "1.0.0").with("Upload-Offset", String(offset))
            .with("Upload-Length", String(length))
    }
}
