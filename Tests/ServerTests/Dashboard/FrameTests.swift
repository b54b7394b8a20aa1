import Hummingbird
import Kit
import Testing

@testable import Server
@testable import Store

@Suite("The frame")
struct FrameTests {
    @Test("every page answers whoever is signed in, in both languages, and nobody else")
    func everyPage() async throws {
        try await TestAPI.with { api in
            let browser = try await Browser.signedIn(api, as: .viewer)
            for page in Pages.all where !page.path.contains("{") && page.needs == .viewer {
                for language in ["en", "ko"] {
                    browser.cookies["language"] = language
                    let shown = try await browser.get(page.path)
                    #expect(shown.status == 200, "\(page.path)")
                    #expect(shown.html.contains("<html lang=\"\(language)\""))
                }
                #expect(try await Browser(api).get(page.path).location?.hasPrefix("/sign-in") == true)
            }
        }
    }

    @Test("a page that is not there is a page for people and a problem for programs")
    func notFound() async throws {
        try await TestAPI.with { api in
            let browser = try await Browser.signedIn(api)
            let lost = try await browser.get("/no/such/page")
            #expect(lost.status == 404 && lost.html.contains("There is nothing at this address"))
            #expect(try await api.get("/no/such/page").code == "not_found")
            #expect(try await api.get("/v1/no", ["Accept": "text/html"]).code == "not_found")
            #expect(try await browser.get("/events/no.such.schema.json").status == 404)
        }
    }

    @Test("a viewer looks and does not act: the page says who may")
    func viewer() async throws {
        try await TestAPI.with { api in
            _ = try await Browser.signedIn(api, name: "mina")
            let browser = try await Browser.signedIn(api, as: .viewer)
            let admin = Pages.forms.first { $0.needs == .admin && !$0.path.contains("{") }
            guard let path = admin?.path else { return }
            let refused = try await browser.act(path)
            #expect(refused.status == 403 && refused.html.contains("needs the role admin"))
            #expect(refused.html.contains("Admins are: mina."))
        }
    }

    @Test("theme and language are chosen by form and kept in cookies")
    func preferences() async throws {
        try await TestAPI.with { api in
            let browser = try await Browser.signedIn(api)
            let done = try await browser.act("/preferences", ["theme": "dark", "next": "//evil.example"])
            #expect(done.location == "/?note=saved")
            #expect(try await browser.get("/account").html.contains("data-theme=\"dark\""))
            _ = try await browser.act("/preferences", ["theme": "<script>"])
            #expect(browser.cookies["theme"] == "dark")
        }
    }

    @Test("an asset has its hash in its name and is kept for a year; a page names it")
    func assets() async throws {
        try await TestAPI.with { api in
            for path in [Assets.shared.names.css, Assets.shared.names.js, Assets.shared.names.icons] {
                let asset = try await Browser(api).get(path)
                #expect(asset.status == 200)
                #expect(asset.headers[.cacheControl] == "public, max-age=31536000, immutable")
            }
            #expect(try await Browser(api).get("/assets/dashboard.0000.css").status == 404)
        }
    }

    @Test(
        "what is asked for is shown after signing in; other hosts are not",
        arguments: [
            ("/account?x=1", "/account?x=1"), ("//evil.example/", "/"), ("https://evil.example", "/"), ("/\\evil", "/"),
            ("/a\r\nSet-Cookie: x=1", "/"),
        ])
    func next(asked: String, shown: String) { #expect(BrowserText.ownPath(asked) == shown) }

    @Test(
        "a zone that a cookie names is taken where there is such a place, and is UTC else",
        arguments: [
            ("Europe%2FBerlin.60", "Europe/Berlin", 60), ("x.-1080", "x", -1080), ("x.1081", "UTC", 0),
            ("x.-1081", "UTC", 0), ("x.-9223372036854775808", "UTC", 0), ("x.9223372036854775807", "UTC", 0),
            ("x.9223372036854775808", "UTC", 0), ("x.", "UTC", 0), (".60", "UTC", 0), ("x", "UTC", 0),
        ])
    func zone(cookie: String, name: String, minutes: Int64) {
        let reader = Reader(cookies: ["zone": cookie], acceptLanguage: nil)
        #expect(reader.zone == name && reader.offset == .minutes(minutes))
    }

    @Test(
        "an operator's letters, whatever the name",
        arguments: [
            ("ops@rye.example", "OP"), ("Mina Park", "MP"), ("@", "@"), ("@@", "@@"), ("", ""), (" ", " "),
            ("..@x", ".."), ("@mina", "MI"),
        ])
    func initials(name: String, letters: String) { #expect(FrameModel.initials(name) == letters) }

    @Test(
        "moments are written by their distance",
        arguments: [
            (-60, "10:14:00"), (-86_400 * 3, "25 Nov 10:15"), (-86_400 * 400, "24 Oct 2025"),
        ])
    func moments(seconds: Int64, text: String) throws {
        let now = try #require(Timestamp(rfc3339: "2026-11-28T10:15:00Z"))
        let times = Times(words: Words.of(.english), offset: .zero, now: now)
        #expect(times.moment(now + .seconds(seconds)).text == text)
    }
}
