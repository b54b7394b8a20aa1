import Engine
import Foundation
import Kit
import TestSupport
import Testing

@testable import Server
@testable import Store

@Suite("Publications")
struct PublicationsTests {
    /// The API with a folder for objects, a connected account, and a film.
    struct World: Sendable {
        let api: TestAPI
        let connection: ID<ConnectionKind>
        let object: String

        func target(_ options: JSON = ["privacy_level": "PUBLIC_TO_EVERYONE"]) -> JSON {
            ["connection_id": JSON(connection), "options": options]
        }
        func body(_ more: [JSONMember] = [], options: JSON = ["privacy_level": "PUBLIC_TO_EVERYONE"]) -> JSON {
            .object(
                [
                    .init("targets", [target(options)]), .init("content", ["text": "Rye is back"]),
                    .init("media", [["object_id": .string(object)]]),
                ] + more)
        }
        /// Accepted for tomorrow.
        func scheduled() async throws -> Reply {
            try await api.post("/v1/publications", body([.init("publish_at", JSON(api.clock.now + .days(1)))]))
        }
        func told() async throws -> [String] {
            try await api.sequence()
            return try await api.get("/v1/changes?after=0").data.compactMap { $0["type"]?.text }
                .filter { $0.hasPrefix("publication.") }
        }
    }

    static func with(
        _ engine: TestEngine = .sqlite, _ body: @escaping @Sendable (World) async throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("objects-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }  // A test that failed early made none.
        try await TestAPI.with(
            engine,
            assemble: { database, ids, clock in
                try await Instance.declareTables(database)
                return (try await hooks(folder, database, ids, clock), [])
            }
        ) { api in
            let (id, now) = (api.app.ids.make(ConnectionKind.self), api.clock.now)
            let new = NewConnection(
                id: id, userID: "user-1", provider: "tiktok", app: TestAPI.appID, openID: "open-1", name: nil,
                scopes: ["video.publish", "video.upload"], wanted: [], isPending: false)
            try await api.database.write("connect") { _ = try $0.connect(new, at: now) }
            let object = try await api.send("POST", "/v1/objects", MadeUpFilm.bytes).json["id"]?.text ?? ""
            try await body(World(api: api, connection: id, object: object))
        }
    }

    private static func hooks(
        _ folder: String, _ database: any Database, _ ids: Identifiers, _ clock: TurningClock
    ) async throws -> Hooks {
        var hooks = Hooks()
        let time = TimeSource(now: { clock.now }, uptime: { .zero }, sleep: { _ in })
        let objects = ObjectStore(folder: ObjectFolder(folder), database: database, ids: ids, time: time)
        try await objects.prepare()
        let vault = Vault(keyring: Keyring([(id: "k1", secret: Secret([UInt8](repeating: 5, count: 32)))]))
        let traffic = Traffic(
            quotas: Quotas(
                book: QuotaBook(Providers.limited), limiter: Limiter(time: time, lastAlive: nil), keeper: nil,
                isShared: false, node: { "n" }, time: time, logger: .quiet),
            circuits: Circuits(database: database, time: time, logger: .quiet),
            recorder: CallRecorder(database: database, metrics: Metrics(), time: time, logger: .quiet), ids: ids,
            time: time)
        let caller = StepCaller(
            platforms: [:], traffic: traffic, wire: NoWire(), outside: NoWire(), objects: objects
        ) { _, _ in
            throw Failure(.unauthorized, "There are no tokens here.")
        }
        let publishing = Publishing(publishers: Providers.publishers, vault: vault, ids: ids)
        hooks.objects = objects
        hooks.publishing = PublishingHooks(publishing: publishing, caller: caller)
        hooks.deciders = ["unknown_outcome": UnknownDecider(publishing, database: database)]
        return hooks
    }

    private struct NoWire: StreamWire {
        struct Unplugged: Error {}
        func send(_ request: StreamRequest, within deadline: Duration) async throws -> StreamAnswer {
            throw Unplugged()
        }
    }

    @Test("what is accepted is kept with its targets and goes on by itself", arguments: TestEngine.all)
    func accepted(engine: TestEngine) async throws {
        try await Self.with(engine) { world in
            let made = try await world.api.post("/v1/publications", world.body(), ["Idempotency-Key": "p-1"])

            #expect(made.status == 202 && made.json["state"] == "waiting")
            let target = made.json["targets"]?.elements?.first
            #expect(target?["state"] == "waiting" && target?["can_cancel"] == true && target?["user_id"] == "user-1")
            #expect(target?["source"] == "FILE_UPLOAD" && target?["next_action"]?.text != nil)
            #expect(target?["bytes_total"]?.integer == Int64(MadeUpFilm.bytes.count))
            let id = made.json["id"]?.text ?? ""
            #expect(made.header("Location") == "/v1/publications/\(id)")
            let again = try await world.api.post("/v1/publications", world.body(), ["Idempotency-Key": "p-1"])
            #expect(again.json == made.json && again.header("Idempotent-Replayed") == "true")
            #expect(try await world.api.get("/v1/publications/\(id)").json == made.json)
            let jobs = try await world.api.get("/v1/jobs?kind=publication.target")
            #expect(jobs.data.count == 1 && jobs.data.first?["state"] == "available")
            for filter in ["state=waiting", "connection_id=\(world.connection)", "provider=tiktok", "user_id=user-1"] {
                #expect(try await world.api.get("/v1/publications?\(filter)").ids == [id])
            }
            #expect(try await world.api.get("/v1/publications?state=published").ids == [])
        }
    }

    @Test("every fault is named at once, before anything is kept")
    func faults() async throws {
        try await Self.with { world in
            let refused = try await world.api.post(
                "/v1/publications",
                [
                    "targets": [
                        world.target(["mode": "sideways", "colour": 1]),
                        ["connection_id": "conn_01kb2c3d4e5f6g7h8j9k0m1n2p"],
                    ],
                    "content": ["text": .string(String(repeating: "x", count: 2201))],
                    "media": [
                        ["object_id": .string(world.object)],
                        ["object_id": .string(world.object), "url": "https://a.example"],
                    ],
                ])

            #expect(refused.status == 422)
            let fields = (refused.json["errors"]?.elements ?? []).compactMap { $0["field"]?.text }
            #expect(
                fields == [
                    "media[1]", "targets[0].options.mode", "targets[0].options.colour", "targets[1].connection_id",
                ])
            let rules = try await world.api.post(
                "/v1/publications",
                [
                    "targets": [world.target(.object([]))],
                    "content": ["text": .string(String(repeating: "x", count: 2201))],
                    "media": [["object_id": .string(world.object)]],
                ])
            let problems = (rules.json["errors"]?.elements ?? []).compactMap { $0["problem"]?.text }
            #expect(problems.first == "2201 characters; TikTok takes 2200. Shorten it." && problems.count == 2)
            #expect(try await world.api.get("/v1/publications").ids == [])
        }
    }

    @Test("a scheduled one can be moved and changed until it begins", arguments: TestEngine.all)
    func changed(engine: TestEngine) async throws {
        try await Self.with(engine) { world in
            let made = try await world.scheduled()
            let id = made.json["id"]?.text ?? ""
            #expect(made.json["state"] == "scheduled")
            let later = world.api.clock.now + .days(2)

            let moved = try await world.api.send(
                "PATCH", "/v1/publications/\(id)",
                (["publish_at": JSON(later), "content": ["text": "Rye is late"]] as JSON).bytes,
                headers: ["If-Match": made.header("ETag") ?? ""])

            #expect(moved.status == 200 && moved.json["content", "text"] == "Rye is late")
            #expect(moved.json["targets"]?.elements?.first?["next_at"] == JSON(later))
            let stale = try await world.api.send(
                "PATCH", "/v1/publications/\(id)", (["publish_at": .null] as JSON).bytes,
                headers: ["If-Match": made.header("ETag") ?? ""])
            #expect(stale.status == 412)
            let wrong = try await world.api.send(
                "PATCH", "/v1/publications/\(id)", (["media": []] as JSON).bytes)
            #expect(wrong.status == 422)
            #expect(try await world.told() == ["publication.scheduled"])
        }
    }

    @Test("cancelled before it begins, it never does; its file may go", arguments: TestEngine.all)
    func cancelled(engine: TestEngine) async throws {
        try await Self.with(engine) { world in
            let id = try await world.scheduled().json["id"]?.text ?? ""
            #expect(try await world.api.send("DELETE", "/v1/objects/\(world.object)").code == "in_use")

            let cancelled = try await world.api.post("/v1/publications/\(id)/cancel", .object([]))

            #expect(cancelled.status == 200 && cancelled.json["state"] == "cancelled")
            #expect(try await world.api.post("/v1/publications/\(id)/cancel", .object([])).code == "wrong_state")
            #expect(try await world.told() == ["publication.scheduled", "publication.cancelled"])
            #expect(try await world.api.send("DELETE", "/v1/objects/\(world.object)").status == 204)
        }
    }

    @Test("what has been handed over cannot be cancelled")
    func late() async throws {
        try await Self.with { world in
            let made = try await world.api.post("/v1/publications", world.body())
            let target = made.json["targets"]?.elements?.first?["id"]?.text ?? ""
            let now = world.api.clock.now
            try await world.api.database.write("asked") { session in
                let isNoted = try session.ask(target, ordinal: 0, until: now, isFinal: true, at: now)
                #expect(isNoted)
            }

            let late = try await world.api.post("/v1/publications/\(made.json["id"]?.text ?? "")/cancel", .object([]))

            #expect(late.status == 409 && late.json["detail"]?.text?.contains("too late") == true)
            #expect(try await world.api.get("/v1/publications").data.first?["state"] == "waiting")
        }
    }

    @Test("what nobody knows is decided by a person, once", arguments: TestEngine.all, ["it_is_there", "send_again"])
    func decided(engine: TestEngine, decision: String) async throws {
        try await Self.with(engine) { world in
            let made = try await world.api.post("/v1/publications", world.body())
            let id = made.json["id"]?.text ?? ""
            let target = ID<TargetKind>(stored: made.json["targets"]?.elements?.first?["id"]?.text ?? "")
            #expect(
                try await world.api.post("/v1/publications/\(id)/decide", ["decision": .string(decision)]).status == 409
            )
            let (now, ids) = (world.api.clock.now, world.api.app.ids)
            let review = NewReview(
                id: ids.make(), kind: "unknown_outcome", subject: target.text, question: "Is it there?", evidence: "{}",
                choices: ["it_is_there", "send_again"], provider: "tiktok", openedAt: now, changeID: ids.make())
            try await world.api.database.write("unknown") { session in
                try session.note(TargetNote(.unknown), of: target, at: now)
                try session.open(review)
                _ = try session.run("DELETE FROM jobs WHERE kind = 'publication.target'")
            }

            let decided = try await world.api.post(
                "/v1/publications/\(id)/decide",
                ["decision": .string(decision), "post_id": "7400000000000000001"])

            let shown = decided.json["targets"]?.elements?.first
            #expect(decided.status == 200)
            if decision == "it_is_there" {
                #expect(shown?["state"] == "published" && shown?["provider_post_id"] == "7400000000000000001")
            } else {
                #expect(shown?["state"] == "waiting" && shown?["can_cancel"] == true)
                #expect(try await world.api.get("/v1/jobs?kind=publication.target").data.count == 1)
            }
            #expect(try await world.api.get("/v1/reviews/\(review.id)").json["state"] == "decided")
            let twice = try await world.api.post("/v1/publications/\(id)/decide", ["decision": .string(decision)])
            #expect(twice.status == 409)
        }
    }

    @Test("applications join what was sent under the platform's own names", arguments: TestEngine.all)
    func joined(engine: TestEngine) async throws {
        try await Self.with(engine) { world in
            let made = try await world.api.post("/v1/publications", world.body())
            let target = ID<TargetKind>(stored: made.json["targets"]?.elements?.first?["id"]?.text ?? "")
            let now = world.api.clock.now
            var note = TargetNote(.failed)
            (note.remoteID, note.remoteStatus, note.code) = ("v_pub_file~v2-1.7", "FAILED", "spam_risk")
            try await world.api.database.write("note") { [note] in try $0.note(note, of: target, at: now) }

            let rows = try await world.api.database.read("joined") { session in
                try session.rows(
                    """
                    SELECT p.publish_id, p.open_id, p.status, p.source, p.error_code, p.post_id, a.user_id
                      FROM tiktok_posts p JOIN oauth_accounts a ON a.open_id = p.open_id
                    """
                ) { row in try (0..<7).map { _ in try row.optionalText() ?? "-" } }
            }

            #expect(rows == [["v_pub_file~v2-1.7", "open-1", "FAILED", "FILE_UPLOAD", "spam_risk", "-", "user-1"]])
        }
    }

    @Test("erased with its user, and in the user's export", arguments: TestEngine.all)
    func erased(engine: TestEngine) async throws {
        try await Self.with(engine) { world in
            let id = try await world.scheduled().json["id"]?.text ?? ""
            let export = try await world.api.get("/v1/users/user-1/export")
            #expect(export.json["publications"]?.elements?.first?["id"]?.text == id)
            #expect(export.json["publication_targets"]?.elements?.count == 1)

            let erasure = NewErasure(
                id: world.api.app.ids.make(), user: "user-1", who: "w", askedBy: "a", at: world.api.clock.now,
                bodies: [])
            _ = try await world.api.database.write("erase") { try $0.erase(erasure) }

            #expect(try await world.api.get("/v1/publications/\(id)").status == 404)
            #expect(try await world.told() == [])
            let left = try await world.api.database.read("left") { session in
                try session.rows("SELECT count(*) FROM works") { try $0.integer() }
            }
            #expect(left == [0])
        }
    }
}
