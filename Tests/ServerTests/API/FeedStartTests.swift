import Kit
import Testing

@testable import Server

@Suite("Where a reader of the feed begins, and the bytes behind it")
struct FeedStartTests {
    @Test("since a time, since an event, and at the head when nothing is newer")
    func since() async throws {
        try await TestAPI.with { api in
            try await api.keep(3)
            let moment = api.clock.now + .milliseconds(1)
            let later = try await api.keep(2, from: 3)
            try await api.sequence()

            #expect(try await api.get("/v1/changes?since=\(moment.rfc3339)").data.compactMap(\.position) == [4, 5])
            #expect(try await api.get("/v1/changes?since=1970-01-01T00:00:00Z").data.count == 5)
            let none = try await api.get("/v1/changes?since=9999-01-01T00:00:00Z")
            #expect(none.data.isEmpty)
            #expect(none.json["last_position"]?.integer == 5)
            // The test's changes are about the platform's ids.
            #expect(try await api.get("/v1/changes?since_event=\(later[0])").status == 404)
        }
    }

    @Test(
        "one place to begin at, and no position that no feed reaches",
        arguments: [
            "/v1/changes?after=9223372036854775807", "/v1/changes?cursor=9223372036854775807",
            "/v1/changes?after=1&since=2026-11-28T10:00:00Z", "/v1/changes?cursor=1&since=2026-11-28T10:00:00Z",
            "/v1/changes?since=yesterday", "/v1/changes?since_event=evt_1",
            "/v1/changes/stream?after=9223372036854775807",
        ])
    func refused(path: String) async throws {
        try await TestAPI.with { api in
            let reply = try await api.get(path)
            #expect(reply.status == 400)
        }
    }

    @Test("a stream is not resumed at a position that no feed reaches")
    func lastEventID() async throws {
        try await TestAPI.with { api in
            let reply = try await api.get("/v1/changes/stream", ["Last-Event-ID": "9223372036854775807"])
            #expect([400, 503].contains(reply.status))
        }
    }

    @Test("a delivery's bytes as they came, when asked for")
    func body() async throws {
        try await TestAPI.with { api in
            let events = try await api.keep(1, body: { _ in #"{ "id": "evt_0",  "n": 1.10 }"# })
            let delivery = try await api.get("/v1/events/\(events[0])").json["delivery_id"]?.text ?? ""

            let plain = try await api.get("/v1/deliveries/\(delivery)")
            #expect(plain.status == 200)
            #expect(plain.json["body_base64"] == nil)
            let whole = try await api.get("/v1/deliveries/\(delivery)?include=body")
            let bytes = whole.json["body_base64"]?.text.flatMap { Base64.decode(Array($0.utf8)) }
            #expect(bytes == Array(#"{ "id": "evt_0",  "n": 1.10 }"#.utf8))
            let narrow = try await TestAPI.makeKey(api.app, ["events:read"], name: "narrow")
            #expect(try await api.get("/v1/deliveries/\(delivery)?include=body", as: narrow).status == 403)
        }
    }
}

extension JSON {
    fileprivate var position: Int64? { self["position"]?.integer }
}
