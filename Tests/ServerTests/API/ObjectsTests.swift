import Engine
import Foundation
import Kit
import Synchronization
import TestSupport
import Testing

@testable import Server
@testable import Store

@Suite("Objects: files that are given to us")
struct ObjectsTests {
    /// The API with a folder for objects.
    static func with(
        _ engine: TestEngine, _ body: @escaping @Sendable (TestAPI, String) async throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("objects-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }  // A test that failed early made none.
        try await TestAPI.with(
            engine,
            assemble: { database, ids, clock in
                var hooks = Hooks()
                let time = TimeSource(now: { clock.now }, uptime: { .zero }, sleep: { _ in })
                let store = ObjectStore(folder: ObjectFolder(folder), database: database, ids: ids, time: time)
                try await store.prepare()
                hooks.objects = store
                let key = (id: "k1", secret: Secret([UInt8](repeating: 5, count: 32)))
                hooks.signedAddresses = SignedAddresses(vault: Vault(keyring: Keyring([key])))
                return (hooks, [])
            }
        ) { api in try await body(api, folder) }
    }

    static func files(in folder: String) -> [String] {
        (FileManager.default.enumerator(atPath: folder)?.allObjects as? [String] ?? []).filter { $0.contains("obj_") }
    }

    private static let film = MadeUpFilm.bytes

    @Test("a file is kept whole, and its bytes say what it is", arguments: TestEngine.all)
    func upload(engine: TestEngine) async throws {
        try await Self.with(engine) { api, folder in
            let made = try await api.send(
                "POST", "/v1/objects?name=bread.mp4&user_id=user-1", Self.film, headers: ["Content-Type": "text/html"])

            #expect(made.status == 201 && made.json["kind"] == "mp4" && made.json["content_type"] == "video/mp4")
            #expect(made.json["size"]?.integer == Int64(Self.film.count) && made.json["width"]?.integer == 1080)
            #expect(made.json["duration_ms"]?.integer == 21_000 && made.json["user_id"] == "user-1")
            let id = try #require(made.json["id"]?.text)
            #expect(Self.files(in: folder).map { $0.split(separator: "/").last.map(String.init) } == [id])
            let read = try await api.get("/v1/objects/\(id)/content")
            #expect(read.status == 200 && read.body == Self.film)
            #expect(try await api.get("/v1/objects/\(id)").json == made.json)
            #expect(try await api.get("/v1/objects?kind=mp4").ids == [id])
        }
    }

    @Test(
        "a part of it can be had",
        arguments: [
            ("bytes=0-3", 206, 0..<4), ("bytes=4-", 206, 4..<MadeUpFilm.bytes.count), ("bytes=5-5", 206, 5..<6),
            ("bytes=-2", 206, MadeUpFilm.bytes.count - 2..<MadeUpFilm.bytes.count),
            ("bytes=0-99999999", 200, 0..<MadeUpFilm.bytes.count), ("bytes=0-1,3-4", 200, 0..<MadeUpFilm.bytes.count),
            ("lines=1-2", 200, 0..<MadeUpFilm.bytes.count), ("bytes=99999999-", 416, 0..<0),
        ])
    func ranges(range: String, status: Int, expected: Range<Int>) async throws {
        try await Self.with(.sqlite) { api, _ in
            let id = try await api.send("POST", "/v1/objects", Self.film).json["id"]?.text ?? ""
            let read = try await api.get("/v1/objects/\(id)/content", ["Range": range])

            #expect(read.status == status)
            if status != 416 { #expect(read.body == Array(Self.film[expected])) }
            if status == 206 {
                let last = expected.upperBound - 1
                #expect(
                    read.header("Content-Range") == "bytes \(expected.lowerBound)-\(last)/\(Self.film.count)")
            }
        }
    }

    @Test("the same request with its key gives the same object, and leaves one file", arguments: TestEngine.all)
    func repeated(engine: TestEngine) async throws {
        try await Self.with(engine) { api, folder in
            let first = try await api.send("POST", "/v1/objects", Self.film, headers: ["Idempotency-Key": "k-1"])
            let again = try await api.send("POST", "/v1/objects", Self.film, headers: ["Idempotency-Key": "k-1"])
            let other = try await api.send(
                "POST", "/v1/objects", Self.film + [0], headers: ["Idempotency-Key": "k-1"])

            #expect(again.status == 201 && again.json == first.json)
            #expect(again.header("Idempotent-Replayed") == "true")
            #expect(other.status == 422 && other.code == "key_reused")
            #expect(Self.files(in: folder).count == 1)
        }
    }

    @Test("an empty file is none, and no id leads out of the folder")
    func refusals() async throws {
        try await Self.with(.sqlite) { api, folder in
            let empty = try await api.send("POST", "/v1/objects", [])
            #expect(empty.status == 422 && Self.files(in: folder).isEmpty)
            for id in ["..%2F..%2Fetc%2Fpasswd", "obj_..%2F..%2F..%2F..%2Fetc%2Fpasswd0", "obj_0"] {
                #expect(try await api.get("/v1/objects/\(id)/content").status == 404)
            }
        }
    }

    @Test("deleted, its file goes with it; what a crash left goes a day later", arguments: TestEngine.all)
    func deleted(engine: TestEngine) async throws {
        try await Self.with(engine) { api, folder in
            let id = try await api.send("POST", "/v1/objects", Self.film).json["id"]?.text ?? ""
            #expect(try await api.send("DELETE", "/v1/objects/\(id)").status == 204)
            #expect(Self.files(in: folder).isEmpty)
            #expect(try await api.get("/v1/objects/\(id)/content").status == 404)

            // A draft that nobody finished, and a file whose row was never written.
            let orphan = api.app.ids.make(ObjectKind.self).text
            let place = "\(folder)/\(orphan.last ?? "0")/\(orphan)"
            #expect(FileManager.default.createFile(atPath: "\(folder)/tmp/\(orphan)", contents: Data([1])))
            #expect(FileManager.default.createFile(atPath: place, contents: Data([1])))
            let kept = try await api.send("POST", "/v1/objects", Self.film).json["id"]?.text ?? ""
            let store = try #require(api.app.hooks.objects)
            #expect(try await store.sweep() == 0 && Self.files(in: folder).count == 3)
            // Files have the machine's time: the clock of the test goes a year beyond it.
            api.clock.advance(.days(365))
            _ = try await store.sweep()
            // Its own time is over as well.
            #expect(Self.files(in: folder).isEmpty)
            #expect(try await api.get("/v1/objects/\(kept)").status == 404)
        }
    }

    @Test("a disk without room refuses, and takes again when there is some")
    func full() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("objects-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }  // A test that failed early made none.
        let room = Room()
        try await TestAPI.with(
            assemble: { database, ids, clock in
                var hooks = Hooks()
                let time = TimeSource(now: { clock.now }, uptime: { .zero }, sleep: { _ in })
                let store = ObjectStore(
                    folder: ObjectFolder.ofTest(folder) { room.free }, database: database, ids: ids, time: time)
                try await store.prepare()
                hooks.objects = store
                return (hooks, [])
            }
        ) { api in
            room.free = 1 << 20
            let refused = try await api.send("POST", "/v1/objects", Self.film)
            #expect(refused.status == 507 && refused.code == "storage_full" && Self.files(in: folder).isEmpty)

            room.free = 1 << 40
            #expect(try await api.send("POST", "/v1/objects", Self.film).status == 201)
        }
    }

    @Test("erased with its user, and in the user's export", arguments: TestEngine.all)
    func erased(engine: TestEngine) async throws {
        try await Self.with(engine) { api, folder in
            let id = try await api.send("POST", "/v1/objects?user_id=user-1", Self.film).json["id"]?.text ?? ""
            let export = try await api.get("/v1/users/user-1/export")
            #expect(export.json["objects"]?.elements?.first?["id"]?.text == id)

            let now = api.clock.now
            let erasure = NewErasure(
                id: api.app.ids.make(), user: "user-1", who: "w", askedBy: "a", at: now, bodies: [])
            let counts = try await api.database.write("erase") { try $0.erase(erasure) }
            #expect(counts?.first { $0.what == "objects" }?.rows == 1)
            #expect(try await api.get("/v1/objects/\(id)").status == 404)
            _ = try await api.app.hooks.objects?.deleteDropped()
            #expect(Self.files(in: folder).isEmpty)
        }
    }
}

/// How much is free, for whoever asks.
private final class Room: Sendable {
    private let bytes = Mutex<UInt64>(0)
    var free: UInt64 {
        get { bytes.withLock { $0 } }
        set { bytes.withLock { $0 = newValue } }
    }
}

/// The smallest film that says what it is: 21 s of 1080 by 1920.
enum MadeUpFilm {
    private static func big(_ value: UInt64, _ count: Int) -> [UInt8] {
        (0..<count).reversed().map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
    }
    private static func box(_ type: String, _ content: [UInt8]) -> [UInt8] {
        big(UInt64(content.count + 8), 4) + Array(type.utf8) + content
    }
    static let bytes: [UInt8] = {
        let mvhd = box("mvhd", big(0, 12) + big(1000, 4) + big(21_000, 4) + big(0, 80))
        let tkhd = box("tkhd", big(0, 76) + big(1080 << 16, 4) + big(1920 << 16, 4))
        let mdhd = box("mdhd", big(0, 12) + big(30_000, 4) + big(630_000, 4) + big(0, 4))
        let hdlr = box("hdlr", big(0, 8) + Array("vide".utf8) + big(0, 12))
        let trak = box("trak", tkhd + box("mdia", mdhd + hdlr))
        return box("ftyp", Array("isom".utf8) + big(512, 4)) + box("moov", mvhd + trak) + box("mdat", [1, 2, 3, 4])
    }()
}
