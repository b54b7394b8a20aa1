import Kit
import TestSupport
import Testing

@testable import Server

@Suite("Events by their contents")
struct EventSearchTests {
    /// Asks until the range is at its end.
    private static func all(_ api: TestAPI, _ query: String) async throws -> (ids: [String], looked: Int64, asked: Int)
    {
        var (ids, looked, asked, cursor) = ([String](), Int64(0), 0, "")
        repeat {
            let answer = try await api.get("/v1/events/search?\(query)\(cursor)")
            try #require(answer.status == 200, "\(answer.json)")
            ids += answer.json["data"]?.elements?.compactMap { $0["event", "id"]?.text } ?? []
            looked += answer.json["searched", "events"]?.integer ?? 0
            asked += 1
            let next = answer.json["next_cursor"]?.text
            #expect((answer.json["searched", "through"]?.isNull == true) == (next == nil))
            #expect((answer.json["searched", "percent"]?.integer == 100) == (next == nil))
            cursor = next.map { "&cursor=\($0)" } ?? ""
        } while !cursor.isEmpty && asked < 1000
        return (ids, looked, asked)
    }

    @Test(
        "words and places find exactly the events that say so, newest first, over all slices", arguments: TestEngine.all
    )
    func found(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api in
            let ids = try await api.keep(450) { number in
                #"{"data":{"object":{"id":"in_\#(number)","note":"loaf \#(number % 100)"}},"#
                    + #""lines":[{"id":"a"},{"id":"l\#(number % 150)"}]}"#
            }
            api.clock.advance(.seconds(10))
            let words = try await Self.all(api, "words=%22LOAF%207%22")
            let sevens = ids.indices.filter { $0 % 100 == 7 || ($0 % 100) / 10 == 7 }
            #expect(words.ids == sevens.reversed().map { ids[$0] })
            #expect(words.looked == 450)
            let place = try await Self.all(api, "json=%24.lines%5B*%5D.id%3Dl149")
            #expect(place.ids == [449, 299, 149].map { ids[$0] })
            let paged = try await Self.all(api, "json=%24.lines%5B*%5D.id%3Dl149&limit=1")
            #expect(paged.ids == place.ids)
            #expect(paged.asked >= 3)
            #expect(try await Self.all(api, "words=loaf&type=invoice.voided").ids.isEmpty)
            #expect(try await Self.all(api, "words=loaf&created_before=2000-01-01T00:00:00Z").looked == 0)
        }
    }

    @Test("an answer shows the event whole, and the part that says it")
    func shown() async throws {
        try await TestAPI.with { api in
            let ids = try await api.keep(1) { _ in #"{"note":"sourdough"}"# }
            let answer = try await api.get("/v1/events/search?words=SOURDOUGH")
            let hit = try #require(answer.json["data"]?.elements?.first)
            #expect(hit["event", "id"]?.text == ids[0])
            #expect(hit["event", "payload", "note"] == "sourdough")
            #expect(hit["excerpt"]?.text?.contains("sourdough") == true)
        }
    }

    @Test(
        "a search for nothing, or at no place, is refused with an example",
        arguments: ["", "?words=%22%22", "?json=id", "?json=%24.a%3D", "?words=x&cursor=abc"])
    func refused(query: String) async throws {
        try await TestAPI.with { api in
            let answer = try await api.get("/v1/events/search\(query)")
            #expect(answer.status == 400, "\(answer.json)")
        }
    }

    @Test("the page shows what it found with how far it is, and goes on from there", arguments: TestEngine.all)
    func page(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api in
            _ = try await api.keep(120) { number in #"{"note":"two loaves of \#(number % 2 == 0 ? "rye" : "wheat")"}"# }
            api.clock.advance(.seconds(10))
            let browser = try await Browser.signedIn(api)
            let first = try await browser.get("/events?q=words%3A%22loaves+of+rye%22")
            #expect(first.html.contains("50 found in"))
            #expect(first.html.contains("two loaves of rye"))
            #expect(!first.html.contains("two loaves of wheat"))
            let next = try #require(first.html.firstMatch(of: /href="([^"]*found=50[^"]*)" rel="next"/)?.1)
            let second = try await browser.get(String(next).replacing("&amp;", with: "&"))
            #expect(second.html.contains("60 found in 120 events. All is looked through."))
            let none = try await browser.get("/events?q=words%3Abarley")
            #expect(none.html.contains("0 found in 120 events. All is looked through."))
        }
    }
}
