import Kit
import TestSupport
import Testing

@testable import Engine
@testable import Server
@testable import Store

@Suite("Calendar", .serialized)
struct CalendarTests {
    private static let berlin = LocalZone(name: "Europe/Berlin", usual: .zero)

    @Test(
        "a day has the hours that its clocks show",
        arguments: [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-28", 24)])
    func hours(date: String, hours: Int64) throws {
        let day = try #require(Timestamp(rfc3339: date + "T00:00:00Z")).day
        let length = Self.berlin.start(of: day + 1) - Self.berlin.start(of: day)
        #expect(length == .hours(hours))
        #expect(Self.berlin.day(of: Self.berlin.start(of: day)) == day)
        #expect(Self.berlin.day(of: Self.berlin.start(of: day) + .seconds(-1)) == day - 1)
    }

    @Test("a time that clocks skip is none; one that they show twice is the first")
    func changes() throws {
        func moment(_ text: String) throws -> String? { try Self.berlin.moment(field: text)?.get().rfc3339 }
        #expect(throws: LocalZone.Skipped.self) { try moment("2026-03-29T02:30") }
        #expect(try moment("2026-03-29T03:00") == "2026-03-29T01:00:00.000000Z")
        #expect(try moment("2026-10-25T02:30") == "2026-10-25T00:30:00.000000Z")
        #expect(try moment("2026-12-01T09:00") == "2026-12-01T08:00:00.000000Z")
        #expect(try moment("2026-12-01") == nil && moment("soon, at 10:00 or so") == nil)
        // Where midnight itself is skipped the day begins at one.
        let beirut = LocalZone(name: "Asia/Beirut", usual: .zero)
        let day = try #require(Timestamp(rfc3339: "2026-03-29T00:00:00Z")).day
        #expect(beirut.field(of: beirut.start(of: day)) == "2026-03-29T01:00")
        let unknown = LocalZone(name: "Nowhere/Such", usual: .hours(2))
        #expect(unknown.field(of: .zero) == "1970-01-01T02:00")
    }

    @Test("weeks begin as the language has it; what is planned stands on its day, at its hour")
    func week() async throws {
        try await PublicationsTests.with { world in
            let browser = try await Browser.signedIn(world.api)
            browser.cookies["zone"] = "Europe%2FBerlin.60"
            let id = try #require(try await world.scheduled().json["id"]?.text)

            let week = try await browser.get("/publish").html
            #expect(week.contains("23 Nov – 29 Nov 2026") && week.contains("data-move=\"/publish/\(id)/when\""))
            #expect(week.contains("Times are in Europe/Berlin") && week.contains(">11:00</time>"))
            // Dropped on another day it keeps its time on the clock.
            #expect(
                week.contains("data-local=\"2026-11-29T11:00\" draggable") && week.contains("data-day=\"2026-11-28\""))
            #expect(!week.contains("data-day=\"2026-11-27\""))
            #expect(week.contains("<hr class=\"now\"") && week.contains("class=\"past"))
            browser.cookies["language"] = "ko"
            #expect(try await browser.get("/publish").html.contains("2026년 11월 22일 – 11월 28일"))
            browser.cookies["language"] = "en"

            for (date, rows) in [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-29", 24)] {
                let day = try await browser.get("/publish?view=day&date=\(date)").html
                #expect(day.ranges(of: "<th scope=\"row\">").count == rows)
            }
            let back = try await browser.get("/publish?view=day&date=2026-10-25").html
            #expect(back.contains("02:00 +02:00") && back.contains("02:00 +01:00"))
            let month = try await browser.get("/publish?view=month&date=2026-11-10").html
            #expect(month.contains("November 2026") && month.contains("Rye is back"))
            #expect(month.contains("/publish?view=day&amp;date=2026-11-29"))
            #expect(!(try await browser.get("/publish?date=2026-11-10").html.contains("Rye is back")))
            #expect(try await browser.get("/publish?view=list").html.contains("Rye is back"))
            let other = try await browser.get("/publish?account=conn_01kb2c3d4e5f6g7h8j9k0m1n2p").html
            #expect(!other.contains("Rye is back"))
            let viewer = try await Browser.signedIn(world.api, as: .viewer, name: "viewer")
            #expect(!(try await viewer.get("/publish").html.contains("data-move")))
        }
    }

    @Test("a time at which the account's day is still full is refused, with the next one that is free")
    func full() async throws {
        try await PublicationsTests.with { world in
            let quotas = try #require(world.api.app.hooks.quotas)
            var context = CallContext("publication", as: Claimant("publishing", .urgent))
            context.connection = world.connection.text
            // Fifteen posts in a day, answered just now.
            let needs = quotas.needs([Spending(15, of: "daily_posts")], of: "tiktok", "/", context)
            quotas.settle(try await quotas.take(needs, as: context.claimant), learning: nil, refusedFor: nil)
            let browser = try await Browser.signedIn(world.api)
            let id = try #require(try await world.scheduled().json["id"]?.text)
            let (path, now) = ("/publish/\(id)/when", world.api.clock.now)
            func field(_ moment: Timestamp) -> String { String(moment.rfc3339.prefix(16)) }
            let planned = try await world.api.get("/v1/publications/\(id)").json["publish_at"]

            let refused = try await browser.act(path, ["at": field(now + .hours(20)), "version": "1"])

            let free = now + .days(1)
            #expect(refused.status == 422 && refused.html.contains("is full until"), "\(refused.html)")
            #expect(refused.html.contains("value=\"\(field(free + .minutes(1)))\""))
            #expect(refused.html.contains("The next free time stands in the field."))
            #expect(try await world.api.get("/v1/publications/\(id)").json["publish_at"] == planned)
            let moved = try await browser.act(path, ["at": field(free + .minutes(1)), "version": "1"])
            #expect(moved.status == 303)
            #expect(try await browser.get("/publish/new").html.contains("what is sent now waits"))
        }
    }

    @Test("what is planned is moved by its page and by the calendar; else it says why not", arguments: TestEngine.all)
    func moves(engine: TestEngine) async throws {
        try await PublicationsTests.with(engine) { world in
            let browser = try await Browser.signedIn(world.api)
            browser.cookies["zone"] = "Europe%2FBerlin.60"
            let id = try #require(try await world.scheduled().json["id"]?.text)
            func planned() async throws -> String? {
                try await world.api.get("/v1/publications/\(id)").json["publish_at"]?.text
            }
            let page = try await browser.get("/publish/\(id)").html
            #expect(page.contains("value=\"2026-11-29T11:00\"") && page.contains("Change the time"))
            let path = "/publish/\(id)/when"

            let moved = try await browser.act(path, ["at": "2026-11-30T09:30", "version": "1", "next": "/publish"])
            #expect(moved.location == "/publish?note=publication_moved")
            #expect(try await planned() == "2026-11-30T08:30:00.000000Z")

            let stale = try await browser.act(path, ["at": "2026-12-01T09:30", "version": "1"])
            #expect(stale.status == 422 && stale.html.contains("It was changed meanwhile"))
            let version = try #require(try await world.api.get("/v1/publications/\(id)").json["version"]?.integer)
            let past = try await browser.act(path, ["at": "2026-11-01T09:30", "version": "\(version)"])
            #expect(past.status == 422 && past.html.contains("It is past.") && past.html.contains("2026-11-01T09:30"))
            #expect(past.html.contains("data-page=\"/publish/\(id)\""), "it does not become another page by itself")
            let skipped = try await browser.act(path, ["at": "2027-03-28T02:30", "version": "\(version)"])
            #expect(skipped.status == 422 && skipped.html.contains("Clocks go forward"))
            #expect(try await browser.act(path, ["at": "soon"]).status == 422)
            let exact = try await browser.act(
                path, ["moment": "2026-11-30T12:45:00.000Z", "version": "\(version)", "next": "//evil.example"])
            #expect(exact.location == "/?note=publication_moved")
            #expect(try await planned() == "2026-11-30T12:45:00.000000Z")
            _ = try await browser.act("/publish/\(id)/cancel")
            let over = try await browser.act(path, ["at": "2026-12-01T09:30"])
            #expect(over.status == 422)
        }
    }
}
