import Kit
import TestSupport
import Testing

@testable import Engine
@testable import Server
@testable import Store

@Suite("Users, and reviews about them", .serialized)
struct UsersTests {
    @Test("made, changed, cleared; a version that is no longer the current one is refused", arguments: TestEngine.all)
    func life(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            let path = "/v1/users/rye%40example.com"
            #expect(try await api.get(path).code == "not_found")

            let made = try await api.put(
                path, ["email": "rye@example.com", "metadata": ["plan": "pro"], "stripe_customer_id": "cus_1"])
            #expect(made.status == 201 && made.header("Location") == path && made.header("ETag") != nil)
            #expect(made.json["id"]?.text == "rye@example.com" && made.json["stripe_customer_id"]?.text == "cus_1")

            let tag = try #require(try await api.get(path).header("ETag"))
            let changed = try await api.put(path, ["display_name": "Rye", "email": .null], ["If-Match": tag])
            #expect(
                changed.status == 200 && changed.json["email"] == .null && changed.json["display_name"]?.text == "Rye")
            #expect(
                changed.json["metadata", "plan"]?.text == "pro" && changed.json["stripe_customer_id"]?.text == "cus_1")
            #expect(try await api.put(path, ["display_name": "Eve"], ["If-Match": tag]).code == "precondition_failed")
            #expect(try await api.get(path, ["If-Match": tag]).status == 412)
            #expect(try await api.put(path, [:], ["If-Match": "3"]).code == "invalid_header")
            #expect(try await api.put("/v1/users/x", [:], ["If-Match": "\"1\""]).code == "precondition_failed")
            #expect(try await api.put(path, ["stripe_customer_id": .null]).json["stripe_customer_id"] == .null)
        }
    }

    @Test("while a user is being erased nothing is said about the user", arguments: TestEngine.all)
    func erased(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            try await api.put("/v1/users/u1", ["email": "rye@example.com", "stripe_customer_id": "cus_1"])

            let begun = try await api.send("DELETE", "/v1/users/u1")

            #expect(begun.status == 202 && begun.json["state"]?.text == "running")
            #expect(begun.json["erased", "customers"]?.integer == 1)
            #expect(try await api.get("/v1/users/u1").code == "not_found")
            #expect(try await api.put("/v1/users/u1", ["email": "rye@example.com"]).code == "wrong_state")
            #expect(try await api.put("/v1/users/u2", ["stripe_customer_id": "cus_1"]).code == "wrong_state")
            #expect(try await api.get("/v1/erasures").ids == [begun.json["id"]?.text])
            let acts = try await api.get("/v1/audit?action=user.erasure_begun").data
            #expect(acts.count == 1 && !String(decoding: acts[0].bytes, as: UTF8.self).contains("u1"))
        }
    }

    @Test(
        "every field that is wrong is named",
        arguments: [
            (["email": 1], "email"), (["metadata": ["a": 1]], "metadata.a"), (["admin": true], "admin"),
            (["metadata": ["name-that-is-longer-than-forty-bytes-in-all": "x"]], "metadata"),
        ] as [(JSON, String)])
    func fields(body: JSON, field: String) async throws {
        try await TestAPI.with { api async throws in
            let reply = try await api.put("/v1/users/u", body)
            #expect(reply.code == "invalid_fields" && reply.json["errors"]?.elements?.first?["field"]?.text == field)
        }
    }

    @Test("listed by id, by address, by metadata", arguments: TestEngine.all)
    func list(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            for name in ["a", "b", "c"] {
                try await api.put(
                    "/v1/users/\(name)",
                    [
                        "email": .string("\(name)@x.example"),
                        "metadata": ["team": .string(name == "c" ? "red" : "blue")],
                    ])
            }

            #expect(try await api.get("/v1/users?order=asc").ids == ["a", "b", "c"])
            #expect(try await api.get("/v1/users?email=b@x.example").ids == ["b"])
            #expect(try await api.get("/v1/users?metadata.team=blue").ids == ["b", "a"])
            #expect(try await api.get("/v1/users?metadata.team=blue&metadata.x=y").ids == [])
            let page = try await api.get("/v1/users?metadata.team=blue&limit=1")
            #expect(try await api.get("/v1/users?metadata.team=blue&limit=1&cursor=\(page.cursor ?? "")").ids == ["a"])
        }
    }

    @Test("a person says whose customer it is: its events are queued, once", arguments: TestEngine.all)
    func decide(engine: TestEngine) async throws {
        try await TestAPI.withDeciders(engine) { api async throws in
            let events = try await api.keep(3) { _ in "{}" }
            let review = try await api.wait(events, for: "cus_9")
            let path = "/v1/reviews/\(review)/decision"

            #expect(try await api.post(path, ["decision": "link"]).code == "invalid_fields")
            let decided = try await api.post(path, ["decision": "link", "input": ["user_id": "u1"]])
            #expect(decided.status == 200 && decided.json["state"]?.text == "decided")
            #expect(try await api.get("/v1/users/u1").json["stripe_customer_id"]?.text == "cus_9")
            #expect(try await api.get("/v1/events?state=queued").data.count == 3)
            #expect(Set(try await api.get("/v1/jobs").data.compactMap { $0["subject"]?.text }) == Set(events))
            #expect(try await api.get("/v1/audit?action=review.decided").data.count == 1)
        }
    }

    @Test("naming a customer at its user does the same", arguments: TestEngine.all)
    func put(engine: TestEngine) async throws {
        try await TestAPI.withDeciders(engine) { api async throws in
            let events = try await api.keep(2) { _ in "{}" }
            let review = try await api.wait(events, for: "cus_9")

            try await api.put("/v1/users/u1", ["stripe_customer_id": "cus_9"])

            #expect(try await api.get("/v1/reviews/\(review)").json["state"]?.text == "decided")
            #expect(Set(try await api.get("/v1/jobs").data.compactMap { $0["subject"]?.text }) == Set(events))
        }
    }

    @Test("dismissed, its events are ignored", arguments: TestEngine.all)
    func dismiss(engine: TestEngine) async throws {
        try await TestAPI.withDeciders(engine) { api async throws in
            let review = try await api.wait(try await api.keep(2) { _ in "{}" }, for: "cus_9")

            try await api.post("/v1/reviews/\(review)/decision", ["decision": "dismiss"])

            #expect(try await api.get("/v1/events").data.compactMap { $0["state"]?.text } == ["ignored", "ignored"])
            #expect(try await api.get("/v1/jobs").data.isEmpty)
        }
    }
}

extension TestAPI {
    @discardableResult
    func put(_ path: String, _ body: JSON, _ headers: [String: String] = [:]) async throws -> Reply {
        try await send("PUT", path, body.bytes, headers: headers)
    }

    static func withDeciders(_ engine: TestEngine, _ body: @Sendable @escaping (TestAPI) async throws -> Void)
        async throws
    {
        try await with(
            engine,
            makeHooks: { database, ids in
                var hooks = Hooks()
                hooks.deciders = Hooks.deciders(ids: ids, database: database) { _ throws(Unreadable) in
                    throw Unreadable("Nothing here reads it.")
                }
                return hooks
            }, body)
    }

    /// Lets events wait for whoever knows the customer. Answers the review.
    func wait(_ events: [String], for customer: String) async throws -> String {
        let review = NewReview(
            id: app.ids.make(), kind: "event_without_user", subject: "stripe/\(customer)", question: "Whose?",
            evidence: "{}",
            choices: ["link", "dismiss"], provider: "stripe", openedAt: clock.now, changeID: app.ids.make())
        try await database.write("wait") { [now = clock.now] session in
            for event in events { _ = try session.wait(ID(stored: event), for: customer, reason: "Unknown.", at: now) }
            try session.open(review)
        }
        return review.id.text
    }
}
