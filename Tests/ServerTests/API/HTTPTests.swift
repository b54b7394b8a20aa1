import Hummingbird
import Kit
import Store
import TestSupport
import Testing

@testable import Server

@Suite("What every request meets")
struct HTTPTests {
    @Test("each answer names its request; ids and traces of callers are taken over")
    func correlation() async throws {
        try await TestAPI.with { api async throws in
            let own = try await api.get("/v1/events", ["Patchbay-Request-Id": "mine-1"])
            #expect(own.header("Patchbay-Request-Id") == "mine-1")
            #expect(try await api.get("/nowhere").header("Patchbay-Request-Id")?.hasPrefix("req_") == true)
            #expect(
                try await api.get("/nowhere", ["Patchbay-Request-Id": "a\"b"]).header("Patchbay-Request-Id")?.hasPrefix(
                    "req_") == true)
            #expect(try await api.get("/nowhere").json["instance"]?.text != nil)
            #expect(own.header("Patchbay-Version") == APIVersion.current)
            #expect(try await api.get("/v1/events", ["Patchbay-Version": "1999-01-01"]).code == "unsupported_version")
        }
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        let ids = Identifiers(now: { .testNow })
        #expect(Correlation([.traceparent: "00-\(trace)-00f067aa0ba902b7-01"], ids).traceID == trace)
        #expect(Correlation([.traceparent: "00-\(trace)-short-01"], ids).traceID != trace)
    }

    @Test("unknown addresses, methods and bodies have problems of their own")
    func addresses() async throws {
        try await TestAPI.with { api async throws in
            #expect(try await api.get("/v1/nothing").code == "not_found")
            let method = try await api.send("PUT", "/v1/events")
            #expect(
                method.status == 405 && method.header("Allow") == "GET, HEAD" && method.code == "method_not_allowed")
            #expect(try await api.send("GET", "/v1/events/replay").header("Allow") == "POST")
            #expect(try await api.send("HEAD", "/livez").status == 200)

            let path = "/v1/keys"
            #expect(try await api.send("POST", path, Array("{".utf8)).code == "invalid_json")
            #expect(try await api.send("POST", path, []).code == "invalid_json")
            #expect(
                try await api.send("POST", path, Array("{}".utf8), headers: ["Content-Type": "text/plain"]).code
                    == "unsupported_media_type")
            #expect(
                try await api.send(
                    "POST", path, Array("{}".utf8), headers: ["Content-Type": "application/json; charset=utf-8"]
                ).code == "invalid_fields")
            #expect(
                try await api.send("POST", path, [UInt8](repeating: 0x20, count: (1 << 20) + 1)).code
                    == "content_too_large")
        }
    }

    @Test("every field that is wrong is named at once; unknown members and card data are refused")
    func fields() async throws {
        try await TestAPI.with { api async throws in
            let reply = try await api.send(
                "POST", "/v1/keys", Array(#"{"name":"a\u0000","scopes":["root",1],"x":1,"name":""}"#.utf8))
            #expect(reply.code == "invalid_fields")
            #expect(
                reply.json["errors"]?.elements?.compactMap { $0["field"]?.text } == [
                    "name", "name", "scopes[0]", "scopes[1]", "x", "name",
                ])
            #expect(
                try await api.post("/v1/keys", ["name": "x", "scopes": ["read"], "cardNumber": "4242"]).code
                    == "card_data")
            #expect(
                try await api.post("/v1/keys", ["name": "x", "scopes": ["read"], "metadata": [["CVC": "1"]]]).code
                    == "card_data")
        }
    }

    @Test("a key and an address have their allowance, and are told what is left")
    func limits() async throws {
        var settings = Settings.test
        settings.rateLimits.key = 60
        try await TestAPI.with(settings: settings) { api async throws in
            let first = try await api.get("/v1/nodes")
            #expect(
                first.header("RateLimit-Policy") == "\"key\";q=60;w=60"
                    && first.header("RateLimit") == "\"key\";r=9;t=1")
            for _ in 0..<9 { #expect(try await api.get("/v1/nodes").status == 200) }
            let refused = try await api.get("/v1/nodes")
            #expect(
                refused.status == 429 && refused.header("Retry-After") == "1"
                    && refused.header("RateLimit")?.hasPrefix("\"key\";r=0") == true)
            api.clock.advance(.seconds(1))
            #expect(try await api.get("/v1/nodes").status == 200)
        }
    }

    @Test("whoever guesses keys is slowed down")
    func guessing() async throws {
        var settings = Settings.test
        settings.rateLimits.failures = 10
        try await TestAPI.with(settings: settings) { api async throws in
            var codes = Set<String>()
            for _ in 0..<12 { codes.insert(try await api.get("/v1/nodes", as: "guess").code ?? "") }
            #expect(codes == ["invalid_key", "rate_limited"])
            #expect(try await api.get("/v1/nodes").status == 200)
        }
    }

    @Test("a clock that jumps back locks nobody out")
    func clockBack() {
        let clock = TurningClock()
        let limiter = RateLimiter(now: { clock.now })
        let policy = RateLimiter.Policy(name: "key", perMinute: 60)
        _ = limiter.take(policy, "a")
        clock.advance(.zero - .days(1))

        #expect(limiter.take(policy, "a").wait <= .seconds(11))
    }

    @Test("health, documents and pages need no key")
    func pages() async throws {
        try await TestAPI.with { api async throws in
            #expect(try await api.get("/livez", ["Authorization": ""]).status == 200)
            #expect(try await api.get("/readyz", ["Authorization": ""]).json["status"]?.text == "ready")
            #expect(try await api.get("/docs", ["Authorization": ""]).header("Content-Security-Policy") != nil)
            #expect(try await api.get("/docs/errors/invalid_key").status == 200)
            #expect(try await api.get("/docs/errors/nope").code == "not_found")
            #expect(try await api.get("/events/nope.schema.json").code == "not_found")
            for type in ProblemType.all { #expect(try await api.get("/docs/errors/\(type.code)").status == 200) }
        }
    }

    @Test("a node that cannot serve says what is missing")
    func readiness() async throws {
        var hooks = Hooks()
        hooks.dependencies["sequencer"] = { "No node holds it." }
        hooks.eventSchemas["user.erased"] = ["type": "object"]
        try await TestAPI.with(hooks: hooks) { api async throws in
            let reply = try await api.get("/readyz")
            #expect(reply.status == 503 && reply.json["missing"]?.elements?.first?["name"]?.text == "sequencer")
            #expect(try await api.get("/events/user.erased.schema.json").json["type"]?.text == "object")
        }
    }

    @Test("a broken store is 503 with the time to come back, a broken program 500 without its words")
    func broken() async throws {
        let others = [
            OtherRoute("GET", "/away") { _, _ in throw StoreError.unavailable("secret words") },
            OtherRoute("GET", "/broken") { _, _ in throw StoreError.statement("secret words") },
            OtherRoute("GET", "/rest/**") { _, _ in throw Problem(.notFound, "x") },
        ]
        try await TestAPI.with(others: others) { api async throws in
            let away = try await api.get("/away")
            #expect(away.status == 503 && away.header("Retry-After") == "2" && away.code == "unavailable")
            let broken = try await api.get("/broken")
            #expect(broken.status == 500 && !String(decoding: broken.body, as: UTF8.self).contains("secret"))
            #expect(try await api.send("PUT", "/rest/a/b").header("Allow") == "GET, HEAD")
        }
    }

    @Test(
        "which address a request comes from",
        arguments: [
            ("203.0.113.9", "198.51.100.1", "203.0.113.9"), ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
            ("10.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "nonsense", "10.0.0.1"), ("10.0.0.1", "", "10.0.0.1"),
        ])
    func clientAddress(peer: String, forwarded: String, expected: String) throws {
        let proxies = ClientAddress(trustedProxies: [try #require(CIDR("10.0.0.0/8"))])
        #expect(proxies.of(forwardedFor: [forwarded], peer: peer) == expected)
    }
}
