import Engine
import Kit
import TestSupport
import Testing

@testable import Server
@testable import Store

@Suite("Events by a value, in the API and on the pages")
struct EventsFindTests {
    @Test("the API, the filter and the search find the event that holds it", arguments: TestEngine.all)
    func found(engine: TestEngine) async throws {
        try await TestAPI.with(engine, assemble: Self.assemble) { api in
            let ids = try await api.keep(30) { number in
                #"{"data":{"object":{"id":"in_\#(number)","customer_email":"Rye\#(number % 10)@example.org"}}}"#
            }
            while try await api.database.write("sequence", { try $0.sequence(1000).placed }) > 0 {}
            api.clock.advance(.seconds(10))
            let list = try await api.get("/v1/events?find=rye7%40EXAMPLE.org&limit=2")
            #expect(list.status == 200)
            #expect(list.json["data"]?.elements?.map { $0["id"]?.text ?? "" } == [ids[27], ids[17]])
            let cursor = try #require(list.json["next_cursor"]?.text)
            let rest = try await api.get("/v1/events?find=rye7%40EXAMPLE.org&cursor=\(cursor)")
            #expect(rest.json["data"]?.elements?.map { $0["id"]?.text ?? "" } == [ids[7]])
            let both = try await api.get("/v1/events?find=rye7%40example.org&type=invoice.voided")
            #expect(both.json["data"]?.elements?.isEmpty == true)
            let none = try await api.get("/v1/events?find=nobody%40example.org")
            #expect(none.status == 200 && none.json["data"]?.elements?.isEmpty == true)

            let browser = try await Browser.signedIn(api)
            let page = try await browser.get("/events?q=find%3Arye7%40example.org")
            for number in [7, 17, 27] { #expect(page.html.contains(ids[number])) }
            #expect(!page.html.contains(ids[8]))
            let search = try await browser.get("/search/suggestions?q=RYE3%40example.org")
            #expect(search.html.contains("3 events"))
            #expect(search.html.contains("/events?q=find%3A"))
        }
    }

    @Test("where nothing can be hashed, the answer says what is missing")
    func notSetUp() async throws {
        try await TestAPI.with { api in
            let answer = try await api.get("/v1/events?find=x")
            #expect(answer.status == 409)
            #expect(answer.json["code"] == "not_set_up")
        }
    }

    private static let assemble:
        @Sendable (any Database, Identifiers, TurningClock) async throws -> (
            Hooks, [OtherRoute]
        ) = { database, _, clock in
            var hooks = Hooks()
            hooks.eventTerms = EventTerms(
                Dictionary(uniqueKeysWithValues: Providers.webhookSources.map { ($0.about.id, $0.webhooks.findable) }),
                vault: Vault(keyring: Keyring([("k1", Secret([UInt8](repeating: 7, count: 32)))])), database: database,
                time: TimeSource(now: { clock.now }, uptime: { .zero }, sleep: { _ in }))
            return (hooks, [])
        }
}
