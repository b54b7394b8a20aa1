import Kit
import Store
import TestSupport
import Testing

@testable import Server

@Suite("Lists", .serialized)
struct ListsTests {
    @Test("pages hold everything once, both ways, while rows are added", arguments: TestEngine.all, ["asc", "desc"])
    func pages(engine: TestEngine, order: String) async throws {
        try await TestAPI.with(engine) { api async throws in
            let kept = try await api.keep(25)
            try await api.sequence()
            api.clock.advance(.seconds(3))
            var seen: [String] = []
            var path = "/v1/events?limit=10&order=\(order)"
            for round in 0..<10 {
                let page = try await api.get(path)
                seen += page.ids
                if round == 0 { try await api.keep(3, from: 1000) }
                guard let cursor = page.cursor else { break }
                path = "/v1/events?limit=10&order=\(order)&cursor=\(cursor)"
            }

            let old = seen.filter { kept.contains($0) }
            #expect(old == (order == "asc" ? kept : kept.reversed()))
            #expect(Set(seen).count == seen.count)
        }
    }

    @Test(
        "ascending, a list ends at the feed's head, and goes on behind its last cursor later", arguments: TestEngine.all
    )
    func head(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            let old = try await api.keep(5)
            try await api.sequence()
            api.clock.advance(.seconds(3))
            let new = try await api.keep(2, from: 100)

            let first = try await api.get("/v1/events?limit=4&order=asc")
            let cursor = try #require(first.cursor)
            let path = "/v1/events?limit=4&order=asc&cursor=\(cursor)"
            let last = try await api.get(path)
            #expect(first.ids + last.ids == old && last.cursor == nil, "what is new may not be all yet")
            #expect(try await api.get("/v1/events?limit=4").ids.first == new.last)

            api.clock.advance(.seconds(3))
            if engine == .postgres {
                #expect(try await api.get(path).ids == [old[4]], "before the first change without a place")
            }
            try await api.sequence()
            #expect(try await api.get(path).ids == [old[4]] + new)
        }
    }

    @Test("a cursor remembers filter and order", arguments: TestEngine.all)
    func cursors(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            try await api.keep(5)
            let cursor = try #require(try await api.get("/v1/events?limit=2&type=invoice.paid").cursor)

            #expect(try await api.get("/v1/events?limit=2&cursor=\(cursor)").code == "invalid_cursor")
            #expect(try await api.get("/v1/events?limit=2&type=x&cursor=\(cursor)").code == "invalid_cursor")
            #expect(
                try await api.get("/v1/events?order=asc&type=invoice.paid&cursor=\(cursor)").code == "invalid_cursor")
            #expect(try await api.get("/v1/deliveries?cursor=\(cursor)").code == "invalid_cursor")
            #expect(try await api.get("/v1/events?cursor=x").code == "invalid_cursor")
            #expect(try await api.get("/v1/events?limit=3&type=invoice.paid&cursor=\(cursor)").data.count == 3)
        }
    }

    @Test("every fault of a query is named at once")
    func faults() async throws {
        try await TestAPI.with { api async throws in
            let reply = try await api.get(
                "/v1/events?limit=0&order=up&colour=red&limit=5&type=%00&type=%FF&created_after=soon")

            #expect(reply.code == "invalid_query")
            let fields = reply.json["errors"]?.elements?.compactMap { $0["field"]?.text }
            #expect(fields == ["limit", "order", "colour", "limit", "type", "query", "created_after"])
        }
    }

    @Test("filters of time exclude the moment itself", arguments: TestEngine.all)
    func times(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            let kept = try await api.keep(3)
            let middle = try #require(try await api.get("/v1/events/\(kept[1])").json["received_at"]?.text)

            #expect(try await api.get("/v1/events?created_after=\(middle)").ids == [kept[2]])
            #expect(try await api.get("/v1/events?created_before=\(middle)").ids == [kept[0]])
            let shifted = middle.replacing("T10:", with: "T12:").replacing("Z", with: "+02:00")
            #expect(try await api.get("/v1/events?created_after=\(shifted)").ids == [kept[2]])
        }
    }

    @Test("an event's payload stands there byte for byte, or in base64 where it is no JSON", arguments: TestEngine.all)
    func payloads(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            let bodies = [#"{"a" : 1.10, "b":1e400,"a":"\u00e9"}"#, "not json", "[1,2]"]
            let kept = try await api.keep(3) { bodies[$0] }

            for (id, body) in zip(kept, bodies) {
                let reply = try await api.get("/v1/events/\(id)")
                let text = String(decoding: reply.body, as: UTF8.self)
                if body == "not json" {
                    #expect(reply.json["payload"] == .null && reply.json["payload_base64"]?.text == "bm90IGpzb24=")
                } else {
                    #expect(text.contains("\"payload\":" + body + ","))
                }
            }
            #expect(try await api.get("/v1/events").ids == kept.reversed())
        }
    }

    @Test("a page of large payloads ends early and goes on", arguments: TestEngine.all)
    func large(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            let kept = try await api.keep(7) { "\"\($0)" + String(repeating: "x", count: 900_000) + "\"" }

            let first = try await api.get("/v1/events")
            let second = try await api.get("/v1/events?cursor=\(first.cursor ?? "")")

            #expect(first.ids.count == 4 && second.ids.count == 3 && second.cursor == nil)
            #expect(first.ids + second.ids == kept.reversed())
        }
    }

    @Test("an event is found by the platform's own id", arguments: TestEngine.all)
    func platformID(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            let kept = try await api.keep(5)

            #expect(try await api.get("/v1/events?provider_event_id=evt_3").ids == [kept[3]])
            #expect(try await api.get("/v1/events?provider_event_id=evt_3&provider=paypal").ids == [])
            #expect(try await api.get("/v1/events?provider_event_id=evt_99").ids == [])
        }
    }

    @Test("deliveries: believed, repeated and rejected", arguments: TestEngine.all)
    func deliveries(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            try await api.keep(1)
            try await api.keep(1)
            let rejection = Rejection(
                id: api.app.ids.make(), provider: "stripe", receivedAt: api.clock.now, code: "wrong_signature",
                reason: "No active secret made this signature.", method: "POST", target: Array("/x?\u{7}".utf8),
                headers: [255],
                remote: nil, size: 3, body: [1, 2, 3], checksum: Checksum.of([1, 2, 3]))
            try await api.database.write("reject") { try $0.keepRejected([rejection]) }

            let all = try await api.get("/v1/deliveries?provider=stripe")
            #expect(all.data.compactMap { $0["verdict"]?.text } == ["rejected", "duplicate", "accepted"])
            #expect(
                try await api.get("/v1/deliveries?verdict=rejected&code=wrong_signature").ids == [rejection.id.text])
            #expect(try await api.get("/v1/deliveries/\(all.ids[2])").json["headers"]?.elements?.count == 2)
            #expect(try await api.get("/v1/deliveries/dlv_x").code == "not_found")
            #expect(try await api.get("/v1/deliveries/\(api.app.ids.make(DeliveryKind.self))").code == "not_found")
        }
    }

    @Test("the feed can be followed; what retention removed is 410", arguments: TestEngine.all)
    func changes(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api async throws in
            try await api.keep(5)
            try await api.sequence()

            let first = try await api.get("/v1/changes?limit=3")
            #expect(first.data.compactMap { $0["position"]?.integer } == [1, 2, 3] && first.cursor == "3")
            let rest = try await api.get("/v1/changes?after=3")
            #expect(rest.data.count == 2 && rest.cursor == nil && rest.json["last_position"]?.integer == 5)
            #expect(try await api.get("/v1/changes?after=5").json["last_position"]?.integer == 5)
            #expect(try await api.get("/v1/changes?cursor=3").data.count == 2)
            #expect(try await api.get("/v1/changes?cursor=03").code == "invalid_cursor")

            try await api.removeFeed(before: 3)
            #expect(try await api.get("/v1/changes?after=0").code == "position_gone")
            #expect(try await api.get("/v1/changes?after=2").data.count == 3)
        }
    }
}
