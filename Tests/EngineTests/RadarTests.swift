import Kit
import TestSupport
import Testing

@testable import Engine
@testable import Store

@Suite("Radar: what platforms end, and who uses it")
struct RadarTests {
    /// Ends on 2027-03-01.
    private struct Platform: Ageing {
        let about = About(id: "plain", name: "Plain", version: "1", documentation: "https://example.com")
        var endings: [Ending] = [
            Ending("v1", .version("v1"), on: RadarTests.end, instead: "Call v2.", source: "https://example.com/v1"),
            Ending(
                "likes", .endpoint(.post, host: "api.example", path: "/v2/users/{}/likes"), on: RadarTests.end,
                instead: "Nothing takes its place.", source: "https://example.com/likes"),
            Ending("plays", .metric("plays", at: "/v2/{}/insights"), on: nil, instead: "Ask for views.", source: "s"),
            Ending("old", .events(["old.happened", "old.gone"]), on: nil, instead: "Subscribe anew.", source: "s"),
        ]
    }
    private static let end = Day(2027, 3, 1)

    private struct Rig {
        let database: any Database
        let clock = TestClock(RadarTests.end.start - .days(120))
        let ids: Identifiers
        var platform = Platform()

        init(_ database: any Database) {
            self.database = database
            ids = Identifiers(now: { [clock] in clock.now })
        }

        func call(
            _ path: String, _ method: String = "GET", host: String = "api.example", by connection: String? = nil,
            of provider: String = "plain"
        ) async throws {
            var row = CallRow(
                id: ids.make(), provider: provider, purpose: "proxy", method: method, host: host, path: path,
                at: clock.now)
            row.connection = connection
            try await database.write("call") { [row] in try $0.insert([row]) }
        }

        func event(_ type: String, of provider: String = "plain") async throws {
            let (id, now) = (ids.make(EventKind.self), clock.now)
            try await database.write("event") { session in
                try session.run(
                    """
                    INSERT INTO events (id, provider, app_id, delivery_id, type, received_at, body_id, body_offset,
                                        body_length, state, state_at)
                    VALUES (\(id), \(provider), 'app', 'dlv', \(type), \(now), 'dlv', 0, 0, 'applied', \(now))
                    """)
            }
        }

        /// What the hourly job does, when what came has settled.
        func run() async throws {
            clock.advance(by: .minutes(5))
            let radar = Radar([platform], database: database, ids: ids)
            try await radar.count(at: clock.now)
            _ = try await radar.tell(at: clock.now)
        }

        func item(_ name: String) async throws -> Radar.Item {
            let items = try await Radar([platform], database: database, ids: ids).items(at: clock.now)
            return try #require(items.first { $0.declared.ending.id == name })
        }

        /// Each alert's subject and state, the oldest first; and the stages that were told.
        func alerts() async throws -> [String] {
            try await database.read("alerts") { session in
                try session.rows("SELECT subject, state, summary, count FROM alerts ORDER BY id") { row in
                    let text = "\(try row.text()) \(try row.text())"
                    #expect(try row.text().contains("Plain: "))
                    #expect(try row.integer() == 1)
                    return text
                }
            }
        }
        func told() async throws -> [String] {
            try await database.read("told") { session in
                try session.rows("SELECT payload FROM changes WHERE type = 'provider.deprecated' ORDER BY seq") { row in
                    let data = try JSON.parse(try row.blob())
                    let schema = try #require(EventCatalogue.schemas["provider.deprecated"])
                    let sent: JSON = ["type": "provider.deprecated", "timestamp": "2027-01-01T00:00:00Z", "data": data]
                    #expect(SchemaCheck.problems(with: sent, by: schema) == [])
                    #expect(SchemaCheck.undescribed(in: sent, by: schema) == [])
                    return "\(data["ending"]?.text ?? "") \(data["stage"]?.text ?? "") \(data["uses"]?.integer ?? -1)"
                }
            }
        }
    }

    @Test("calls count by version, endpoint and metric, each once, by connection", arguments: TestEngine.all)
    func calls(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let rig = Rig(database)
            for _ in 0..<3 { try await rig.call("/v1/posts/{}", by: "conn_a") }
            try await rig.call("/v1/posts", by: "conn_b")
            try await rig.call("/v10/posts")
            try await rig.call("/v1/posts", of: "other")
            try await rig.call("/v2/users/{}/likes", "POST")
            try await rig.call("/v2/users/{}/likes", "GET")
            try await rig.call("/v2/users/{}/likes", "POST", host: "elsewhere.example")
            try await rig.call("/v2/{}/insights", by: "conn_a")

            for _ in 0..<2 { try await rig.run() }

            let version = try await rig.item("v1")
            #expect(version.use.uses == 4 && version.use.connections == 2)
            #expect(version.users.map(\.connection) == ["conn_a", "conn_b"] && version.users.map(\.uses) == [3, 1])
            #expect(try await rig.item("likes").use.uses == 1)
            #expect(try await rig.item("plays").use.uses == 1)
        }
    }

    @Test("thousands are counted in pieces; what came just now waits", arguments: TestEngine.all)
    func pieces(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let rig = Rig(database)
            let rows = (0..<1_203).map { number in
                CallRow(
                    id: rig.ids.make(), provider: "plain", purpose: "p", method: "GET", host: "h",
                    path: number % 3 == 0 ? "/v1/x" : "/v2/x", at: rig.clock.now)
            }
            for start in stride(from: 0, to: rows.count, by: 200) {
                let part = Array(rows[start..<min(start + 200, rows.count)])
                try await database.write("calls") { try $0.insert(part) }
            }
            let radar = Radar([rig.platform], database: database, ids: rig.ids)

            try await radar.count(at: rig.clock.now + .seconds(1))
            #expect(try await rig.item("v1").use.uses == 0)
            try await rig.run()

            #expect(try await rig.item("v1").use.uses == 401)
        }
    }

    @Test("events count by their types, of their own platform", arguments: TestEngine.all)
    func events(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let rig = Rig(database)
            for type in ["old.happened", "old.gone", "new.happened"] { try await rig.event(type) }
            try await rig.event("old.happened", of: "other")

            try await rig.run()

            #expect(try await rig.item("old").use.uses == 2)
            #expect(try await rig.told() == ["plain/old undated 2"])
        }
    }

    @Test(
        "told once at 90 days, 30 days and the end; over once it is not used for 30 days", arguments: TestEngine.all)
    func stages(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let rig = Rig(database)
            func use() async throws {
                try await rig.call("/v1/posts")
                try await rig.run()
            }
            try await use()
            #expect(try await rig.item("v1").stage == .later, "120 days")
            #expect(try await rig.alerts() == [])
            rig.clock.advance(by: .days(29))
            try await use()
            #expect(try await rig.told() == [], "91 days")
            rig.clock.advance(by: .days(1))
            for _ in 0..<2 { try await use() }
            #expect(try await rig.alerts() == ["plain/v1 open"], "90 days")
            #expect(try await rig.told() == ["plain/v1 within_90_days 2"], "of 30 days: the first use is older")
            rig.clock.advance(by: .days(60))
            try await use()
            #expect(try await rig.alerts() == ["plain/v1 resolved", "plain/v1 open"], "30 days")
            rig.clock.advance(by: .days(29))
            for _ in 0..<2 { try await use() }
            #expect(try await rig.told().count == 2, "a day before")
            rig.clock.advance(by: .days(1))
            for _ in 0..<2 { try await use() }
            #expect(
                try await rig.alerts() == ["plain/v1 resolved", "plain/v1 resolved", "plain/v1 open"])
            #expect(try await rig.told().last?.hasPrefix("plain/v1 ended") == true)

            rig.clock.advance(by: .days(29))
            try await rig.run()
            #expect(try await rig.alerts().last == "plain/v1 open", "it was used 29 days ago")
            rig.clock.advance(by: .days(2))
            try await rig.run()

            #expect(try await rig.alerts().allSatisfy { $0.hasSuffix("resolved") })
            #expect(try await rig.told().count == 3)
            try await use()
            #expect(try await rig.alerts().last == "plain/v1 open", "used again")
        }
    }

    @Test("nothing is told of what is not used; what is declared no longer is over", arguments: TestEngine.all)
    func unused(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            var rig = Rig(database)
            rig.clock.advance(by: .days(121))
            try await rig.run()
            #expect(try await rig.alerts() == [])
            try await rig.call("/v1/x")
            try await rig.run()
            #expect(try await rig.alerts() == ["plain/v1 open"])

            rig.platform.endings = []
            try await rig.run()

            #expect(try await rig.alerts() == ["plain/v1 resolved"])
        }
    }
}
