import Engine
import Foundation
import Hummingbird
import Kit
import NIOCore
import TestSupport
import Testing

@testable import Server
@testable import Store

@Suite("Objects by key, by signed address, in parts")
struct ObjectKeysTests {
    private static let film = MadeUpFilm.bytes
    private static let rye = Array("rye".utf8)

    @Test("what is put under a key is read there, whole or in part, slashes and all", arguments: TestEngine.all)
    func put(engine: TestEngine) async throws {
        try await ObjectsTests.with(engine) { api, folder in
            let made = try await api.send("PUT", "/v1/objects/menus%2F2026%2Frye.mp4", Self.film)
            #expect(made.status == 201 && made.json["key"] == "menus/2026/rye.mp4" && made.json["expires_at"] == .null)
            let tag = try #require(made.header("ETag"))

            for path in ["/v1/objects/menus/2026/rye.mp4", "/v1/objects/menus%2F2026%2Frye.mp4"] {
                let read = try await api.get(path)
                #expect(read.status == 200 && read.body == Self.film && read.header("ETag") == tag)
                #expect(read.header("Content-Type") == "video/mp4")
                #expect(read.header("Content-Disposition")?.hasPrefix("attachment") == true)
                #expect(read.header("X-Content-Type-Options") == "nosniff")
                let part = try await api.get(path, ["Range": "bytes=4-7"])
                #expect(part.status == 206 && part.body == Array(Self.film[4..<8]))
                #expect(try await api.get(path, ["Range": "bytes=4-7", "If-Range": "\"x\""]).status == 200)
                #expect(try await api.get(path, ["Range": "bytes=99999999-"]).status == 416)
                #expect(try await api.get(path, ["If-None-Match": tag]).status == 304)
                let head = try await api.send("HEAD", path)
                #expect(head.status == 200 && head.body.isEmpty)
                #expect(head.header("Content-Length") == String(Self.film.count))
            }
            let id = made.json["id"]?.text ?? ""
            #expect(try await api.get("/v1/objects/\(id)").json == made.json)
            #expect(try await api.get("/v1/objects?key=menus/2026/rye.mp4").ids == [id])
            #expect(ObjectsTests.files(in: folder).allSatisfy { !$0.contains("rye") })
            #expect(try await api.send("DELETE", "/v1/objects/menus/2026/rye.mp4").status == 204)
            #expect(try await api.get("/v1/objects/menus/2026/rye.mp4").status == 404)
            #expect(ObjectsTests.files(in: folder).isEmpty)
        }
    }

    @Test("a new file takes the old one's place at once, and only where the caller's conditions hold")
    func conditions() async throws {
        try await ObjectsTests.with(.sqlite) { api, folder in
            let first = try await api.send(
                "PUT", "/v1/objects/a", Self.rye, headers: ["If-None-Match": "*", "Content-Type": "text/plain"])
            let tag = first.header("ETag") ?? ""
            #expect(first.status == 201)
            let missing = try await api.send("PUT", "/v1/objects/b", Self.rye, headers: ["If-Match": "*"])
            let taken = try await api.send("PUT", "/v1/objects/a", Self.film, headers: ["If-None-Match": "*"])
            let other = try await api.send("PUT", "/v1/objects/a", Self.film, headers: ["If-Match": "\"0\""])
            for refused in [missing, taken, other] {
                #expect(refused.status == 412 && refused.code == "precondition_failed")
            }
            let garbled = try await api.send("PUT", "/v1/objects/a", Self.film, headers: ["If-Match": "0"])
            #expect(garbled.status == 400 && garbled.code == "invalid_header")
            #expect(try await api.get("/v1/objects/a").body == Self.rye)

            let second = try await api.send("PUT", "/v1/objects/a", Self.film, headers: ["If-Match": tag])
            #expect(second.status == 200 && second.header("ETag") != tag)
            #expect(try await api.get("/v1/objects/a").body == Self.film)
            #expect(try await api.send("DELETE", "/v1/objects/a", headers: ["If-Match": tag]).status == 412)
            // The old file is gone, and nothing is left of what was refused.
            #expect(ObjectsTests.files(in: folder).count == 1)
            #expect(try await api.get("/v1/objects/\(first.json["id"]?.text ?? "")").status == 404)
        }
    }

    @Test("a publication goes on with the file that it was made with", arguments: TestEngine.all)
    func needed(engine: TestEngine) async throws {
        try await ObjectsTests.with(engine) { api, _ in
            let id = try await api.send("PUT", "/v1/objects/a", Self.rye).json["id"]?.text ?? ""
            try await api.database.write("need") { session in
                _ = try session.run(
                    """
                    INSERT INTO publications (id, content, media, created_by, version, created_at, updated_at)
                    VALUES ('pub_1', '{}', \("[{\"object_id\":\"\(id)\"}]"), 'key', 1, 0, 0)
                    """)
                _ = try session.run(
                    """
                    INSERT INTO publication_targets (id, publication_id, connection_id, provider, account_id, options,
                                                     state, source, version, created_at, updated_at)
                    VALUES ('tgt_1', 'pub_1', 'conn_1', 'tiktok', 'a', '{}', 'scheduled', 'upload', 1, 0, 0)
                    """)
            }
            #expect(try await api.send("PUT", "/v1/objects/a", Self.film).status == 200)
            #expect(try await api.get("/v1/objects/a").body == Self.film)
            _ = try await api.app.hooks.objects?.sweep()
            #expect(try await api.get("/v1/objects/\(id)/content").body == Self.rye)

            try await api.database.write("over") { session in
                _ = try session.run("UPDATE publication_targets SET state = 'published'")
            }
            api.clock.advance(.days(2))
            _ = try await api.app.hooks.objects?.sweep()
            #expect(try await api.get("/v1/objects/\(id)").status == 404)
        }
    }

    @Test(
        "a key is no path",
        arguments: [
            "..%2Fetc", "a%2F..%2Fb", ".", "a%2F%2Fb", "%2Fa", "a%2F", "a%5Cb", "a%00b", "a%0Ab", "obj_0", "presign",
            "a%2Fcontent", String(repeating: "a", count: 513),
        ])
    func refusedKeys(key: String) async throws {
        try await ObjectsTests.with(.sqlite) { api, folder in
            let reply = try await api.send("PUT", "/v1/objects/\(key)", Self.rye)
            #expect([404, 405].contains(reply.status) && ObjectsTests.files(in: folder).isEmpty)
        }
    }

    @Test("a form brings one file, and nothing else")
    func form() async throws {
        try await ObjectsTests.with(.sqlite) { api, folder in
            func send(_ parts: [(head: String, body: String)], end: String = "--b--\r\n") async throws -> Reply {
                let text = parts.map { "--b\r\nContent-Disposition: form-data; \($0.head)\r\n\r\n\($0.body)\r\n" }
                return try await api.send(
                    "POST", "/v1/objects", Array((text.joined() + end).utf8),
                    headers: ["Content-Type": "multipart/form-data; boundary=b"])
            }
            let file = (head: #"name="file"; filename="rye.txt""#, body: "rye")
            let made = try await send([file])
            #expect(made.status == 201 && made.json["name"] == "rye.txt" && made.json["size"]?.integer == 3)
            let read = try await api.get("/v1/objects/\(made.json["id"]?.text ?? "")/content")
            #expect(read.body == Self.rye)

            #expect(try await send([file, file]).status == 422)
            #expect(try await send([(#"name="key""#, "x"), file]).status == 422)
            #expect(try await send([]).status == 422)
            #expect(try await send([file], end: "").status == 400)
            #expect(try await send([(#"name="file"; filename="a""#, "")]).status == 422)
            #expect(ObjectsTests.files(in: folder).count == 1)
        }
    }

    /// What an address that was made for us does without a key.
    private static func presign(_ api: TestAPI, _ body: JSON, as key: String? = nil) async throws -> String {
        let made = try await api.post("/v1/objects/presign", body, as: key)
        #expect(made.status == 200, "\(made.json)")
        let url = made.json["url"]?.text ?? ""
        return String(url[(url.range(of: "/v1/")?.lowerBound ?? url.startIndex)...])
    }
    private static let withoutKey = ["Authorization": ""]

    @Test("who made an address is in the audit log, without the key that may name somebody")
    func presigningIsAudited() async throws {
        try await ObjectsTests.with(.sqlite) { api, _ in
            let id = try await api.send("PUT", "/v1/objects/u/mira.jpg", Self.rye).json["id"]?.text ?? ""
            _ = try await Self.presign(api, ["method": "GET", "key": "u/mira.jpg"])
            _ = try await Self.presign(api, ["method": "PUT", "key": "u/new.jpg"])
            let entries = try await api.get("/v1/audit?action=object.presigned")
            #expect(entries.data.map { $0["subject"] } == [.null, .string(id)])
            #expect(entries.data.map { $0["detail", "method"] } == ["PUT", "GET"])
            #expect(!String(decoding: entries.body, as: UTF8.self).contains("mira"))
        }
    }

    @Test("a platform fetches what a publication needs, by its address alone, until that is over")
    func fetching() async throws {
        try await ObjectsTests.with(.sqlite) { api, _ in
            let id = try await api.send("PUT", "/v1/objects/a", Self.film).json["id"]?.text ?? ""
            let other = try await api.send("PUT", "/v1/objects/b", Self.film).json["id"]?.text ?? ""
            let target = api.app.ids.make(TargetKind.self)
            try await api.database.write("target") { session in
                _ = try session.run(
                    """
                    INSERT INTO publications (id, content, media, created_by, version, created_at, updated_at)
                    VALUES ('pub_1', '{}', '[]', 'key', 1, 0, 0)
                    """)
                _ = try session.run(
                    """
                    INSERT INTO publication_targets (id, publication_id, connection_id, provider, account_id, options,
                                                     state, source, version, created_at, updated_at)
                    VALUES (\(target), 'pub_1', 'conn_1', 'tiktok', 'a', '{}', 'processing', 'PULL_FROM_URL', 1, 0, 0)
                    """)
            }
            let signer = try #require(api.app.hooks.signedAddresses)
            let end = (api.clock.now + .minutes(75)).microseconds / 1_000_000
            let path = "/v1/objects/\(id)/content"
            let query = try #require(signer.signed("GET", path, query: "expires=\(end)&by=\(target)"))

            let read = try await api.get("\(path)?\(query)", Self.withoutKey)
            #expect(read.status == 200 && read.body == Self.film && read.header("Content-Type") == "video/mp4")
            #expect(try await api.get(path).header("Content-Type") == "application/octet-stream")
            #expect(try await api.get("/v1/objects/\(other)/content?\(query)", Self.withoutKey).status == 401)
            api.clock.advance(.minutes(76))
            #expect(try await api.get("\(path)?\(query)", Self.withoutKey).status == 401)
            let later = (api.clock.now + .minutes(75)).microseconds / 1_000_000
            let again = try #require(signer.signed("GET", path, query: "expires=\(later)&by=\(target)"))
            try await api.database.write("over") { session in
                _ = try session.run("UPDATE publication_targets SET state = 'published'")
            }
            let over = try await api.get("\(path)?\(again)", Self.withoutKey)
            #expect(over.status == 401 && over.code == "address_refused")
        }
    }

    @Test("a signed address reads one object without a key, until its time is over or its key is revoked")
    func signedGet() async throws {
        try await ObjectsTests.with(.sqlite) { api, _ in
            let id = try await api.send("PUT", "/v1/objects/m/a%20b", Self.film).json["id"]?.text ?? ""
            let path = try await Self.presign(api, ["method": "GET", "key": "m/a b", "valid_for": 60])
            let read = try await api.get(path, Self.withoutKey)
            #expect(read.status == 200 && read.body == Self.film)
            #expect(read.header("Access-Control-Allow-Origin") == "*")
            #expect(try await api.send("HEAD", path, headers: Self.withoutKey).status == 200)
            let byID = try await Self.presign(api, ["method": "GET", "key": .string(id)])
            #expect(try await api.get(byID, Self.withoutKey).body == Self.film)

            // Every change of it is noticed.
            for (from, to) in [
                ("a%20b", "a%20c"), ("expires=", "expires=9"), ("&signature=", "&x=1&signature="),
                ("signature=k1.", "signature=k1.0"), ("signature=k1", "signature=k2"), ("signature=", "signature=&"),
            ] {
                let reply = try await api.get(path.replacing(from, with: to), Self.withoutKey)
                #expect([400, 401].contains(reply.status), "\(to)")
            }
            #expect(try await api.send("PUT", path, Self.film, headers: Self.withoutKey).status == 401)
            #expect(try await api.send("DELETE", path, headers: Self.withoutKey).status >= 400)
            #expect(try await api.get("/v1/objects/m/a%20b", Self.withoutKey).status == 401)
            api.clock.advance(.seconds(61))
            let late = try await api.get(path, Self.withoutKey)
            #expect(late.status == 401 && late.code == "address_refused")

            let key = try await TestAPI.makeKey(api.app, ["objects:read"], name: "reader")
            let own = try await Self.presign(api, ["method": "GET", "key": "m/a b"], as: key)
            #expect(try await api.get(own, Self.withoutKey).status == 200)
            let put = try await api.post("/v1/objects/presign", ["method": "PUT", "key": "a"], as: key)
            #expect(put.status == 403 && put.code == "insufficient_scope")
            let row = try await api.database.read("key") { try $0.key(hash: KeyText.hash(Secret(key))) }
            let (keyID, now) = (try #require(row?.id), api.clock.now)
            _ = try await api.database.write("revoke") { try $0.revoke(keyID, at: now) }
            #expect(try await api.get(own, Self.withoutKey).status == 401)
            #expect(
                try await api.post("/v1/objects/presign", ["method": "GET", "key": "a", "valid_for": 604_801]).status
                    == 422)
        }
    }

    @Test("a signed address to put takes what it says, and no more")
    func signedPut() async throws {
        try await ObjectsTests.with(.sqlite) { api, folder in
            let path = try await Self.presign(
                api, ["method": "PUT", "key": "u/1", "content_type": "image/png", "size_max": 3, "user_id": "user 1"])
            func put(_ body: [UInt8], _ type: String) async throws -> Reply {
                try await api.send("PUT", path, body, headers: ["Authorization": "", "Content-Type": type])
            }
            #expect(try await put(Self.film, "image/png").status == 413)
            #expect(try await put(Self.rye, "text/html").status == 415)
            #expect(ObjectsTests.files(in: folder).isEmpty)
            let made = try await put(Self.rye, "image/png")
            #expect(made.status == 201 && made.json["user_id"] == "user 1" && made.json["key"] == "u/1")
            #expect([400, 401].contains(try await api.get(path, Self.withoutKey).status))

            let asked = try await api.send(
                "OPTIONS", path, headers: ["Authorization": "", "Access-Control-Request-Method": "PUT"])
            #expect(asked.status == 204 && asked.header("Access-Control-Allow-Methods")?.contains("PUT") == true)
        }
    }

    @Test("an upload goes on where it was left, and is an object with its last byte", arguments: TestEngine.all)
    func uploads(engine: TestEngine) async throws {
        try await ObjectsTests.with(engine) { api, folder in
            let metadata = "filename \(Data("rye.mp4".utf8).base64EncodedString()),x"
            let begun = try await api.send(
                "POST", "/v1/uploads?key=u/film",
                headers: [
                    "Upload-Length": String(Self.film.count), "Upload-Metadata": metadata, "Tus-Resumable": "1.0.0",
                ])
            let (path, id) = (begun.header("Location") ?? "", begun.json["id"]?.text ?? "")
            #expect(begun.status == 201 && path == "/v1/uploads/\(id)")

            func bring(_ bytes: ArraySlice<UInt8>, at offset: Int, type: String = "application/offset+octet-stream")
                async throws -> Reply
            {
                try await api.send(
                    "PATCH", path, Array(bytes), headers: ["Upload-Offset": String(offset), "Content-Type": type])
            }
            #expect(try await bring(Self.film[..<10], at: 0).header("Upload-Offset") == "10")
            let elsewhere = try await bring(Self.film[..<10], at: 0)
            #expect(elsewhere.status == 409 && elsewhere.code == "upload_elsewhere")
            #expect(try await bring(Self.film[10...], at: 10, type: "text/plain").status == 415)
            #expect(try await bring(Self.film[10...] + [0], at: 10).status == 413)
            let head = try await api.send("HEAD", path)
            #expect(head.header("Upload-Offset") == "10" && head.header("Upload-Length") == String(Self.film.count))
            #expect(try await api.get("/v1/objects/\(id)").status == 404)

            #expect(try await bring(Self.film[10...], at: 10).status == 204)
            #expect(try await api.get("/v1/objects/u/film").body == Self.film)
            let object = try await api.get("/v1/objects/\(id)").json
            #expect(object["kind"] == "mp4" && object["name"] == "rye.mp4" && object["key"] == "u/film")
            let whole = try await api.send("PUT", "/v1/objects/other", Self.film)
            #expect(object["sha256"] == whole.json["sha256"])
            // Whoever lost the last answer learns that it is whole.
            #expect(try await api.send("HEAD", path).header("Upload-Offset") == String(Self.film.count))
            #expect(ObjectsTests.files(in: folder).count == 2)
        }
    }

    @Test("an upload whose last part came, and whose taker ended before the object was made, is one when asked for")
    func finishedLate() async throws {
        try await ObjectsTests.with(.sqlite) { api, _ in
            let length = Self.film.count
            let begun = try await api.send(
                "POST", "/v1/uploads?key=late", headers: ["Upload-Length": String(length)])
            let path = begun.header("Location") ?? ""
            let id = ID<ObjectKind>(stored: begun.json["id"]?.text ?? "")
            // All bytes are here, as for a longer file: nothing is settled.
            let body = RequestBody(buffer: ByteBuffer(bytes: Self.film))
            let store = try #require(api.app.hooks.objects)
            #expect(try await store.append(body, to: id, at: 0, length: Int64(length) + 1).kept == nil)

            #expect(try await api.send("HEAD", path).header("Upload-Offset") == String(length))
            #expect(try await api.get("/v1/objects/late").body == Self.film)
            #expect(try await api.send("HEAD", path).header("Upload-Offset") == String(length))
        }
    }

    @Test("an upload whose file is in its place, and has no row, is finished when asked for", arguments: TestEngine.all)
    func finishedWithoutRow(engine: TestEngine) async throws {
        try await ObjectsTests.with(engine) { api, folder in
            func wholeUpload() async throws -> (path: String, id: ID<ObjectKind>) {
                let begun = try await api.send(
                    "POST", "/v1/uploads?key=whole", headers: ["Upload-Length": String(Self.film.count)])
                let id = ID<ObjectKind>(stored: begun.json["id"]?.text ?? "")
                // The file is renamed, and the row is never written.
                let store = try #require(api.app.hooks.objects)
                let body = RequestBody(buffer: ByteBuffer(bytes: Self.film))
                #expect(try await store.append(body, to: id, at: 0, length: Int64(Self.film.count)).kept != nil)
                return (begun.header("Location") ?? "", id)
            }
            let (path, id) = try await wholeUpload()
            let early = try await api.send(
                "PATCH", path, Self.film,
                headers: ["Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"])
            #expect(early.status == 409 && early.code == "upload_elsewhere")
            // Whoever asks finishes it; two at once make one object.
            try await withThrowingTaskGroup(of: String?.self) { group in
                for _ in 0..<2 { group.addTask { try await api.send("HEAD", path).header("Upload-Offset") } }
                for try await offset in group { #expect(offset == String(Self.film.count)) }
            }
            #expect(try await api.get("/v1/objects/whole").body == Self.film)
            #expect(try await api.get("/v1/objects/\(id)").status == 200)

            let second = try await wholeUpload()
            #expect(try await api.send("DELETE", second.path).status == 204)
            #expect(ObjectsTests.files(in: folder).count == 1)
            #expect(try await api.get("/v1/objects/whole").body == Self.film)
        }
    }

    @Test("an upload that is given up leaves nothing; so does one that takes a week")
    func givenUp() async throws {
        try await ObjectsTests.with(.sqlite) { api, folder in
            func begin() async throws -> String {
                let begun = try await api.send("POST", "/v1/uploads", headers: ["Upload-Length": "5"])
                return begun.header("Location") ?? ""
            }
            let first = try await begin()
            #expect(try await api.send("DELETE", first).status == 204)
            #expect(try await api.send("HEAD", first).status == 404 && ObjectsTests.files(in: folder).isEmpty)
            let second = try await begin()
            api.clock.advance(.days(8))
            _ = try await api.app.hooks.objects?.sweep()
            #expect(try await api.send("HEAD", second).status == 404 && ObjectsTests.files(in: folder).isEmpty)

            let refusals: [([String: String], Int)] = [
                ([:], 400), (["Upload-Length": "0"], 400), (["Upload-Length": "x"], 400),
                (["Upload-Length": "99999999999"], 413), (["Upload-Length": "5", "Tus-Resumable": "0.2"], 412),
            ]
            for (headers, status) in refusals {
                #expect(try await api.send("POST", "/v1/uploads", headers: headers).status == status, "\(headers)")
            }
        }
    }
}
