import Hummingbird
import Kit
import TestSupport
import Testing

@testable import Server
@testable import Store

@Suite("Signing in to the pages")
struct SignInTests {
    private static let password = "rye and salt every morning"

    @Test("the first address makes the first admin, once", arguments: TestEngine.all)
    func firstOperator(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api in
            let browser = Browser(api)
            let path = try await Self.firstPath(api)

            #expect(try await browser.get("/").location == "/sign-in")
            #expect(try await browser.get("/sign-in").html.contains("patchbay operators add"))
            #expect(try await browser.get(path).status == 200)
            let short = try await browser.post(path, ["name": "ops", "password": "short", "again": "short"])
            #expect(short.status == 422 && short.html.contains("12 are needed"))
            let differs = try await browser.post(
                path, ["name": "ops", "password": Self.password, "again": Self.password + "!"])
            #expect(differs.status == 422)
            let done = try await browser.post(
                path, ["name": " ops ", "password": Self.password, "again": Self.password])

            #expect(done.status == 303)
            #expect(try await browser.get("/account").html.contains("ops"))
            #expect(try await Browser(api).get(path).status == 410)
            #expect(try await Self.operators(api).firstAddress(at: api.clock.now) == nil)
            let rows = try await Self.operators(api).list()
            #expect(rows.map(\.name) == ["ops"] && rows.map(\.role) == [.admin])
            #expect(rows.first?.password?.hasPrefix("scrypt$") == true)
        }
    }

    @Test("a later first address ends the earlier one; each ends after a day")
    func addressesEnd() async throws {
        try await TestAPI.with { api in
            let first = try await Self.firstPath(api)
            let second = try await Self.firstPath(api)
            #expect(try await Browser(api).get(first).status == 410)
            #expect(try await Browser(api).get(second).status == 200)

            api.clock.advance(.hours(25))

            #expect(try await Browser(api).get(second).status == 410)
        }
    }

    @Test("neither which field is wrong nor whether a name exists is told; five failures make a pause")
    func slowDown() async throws {
        try await TestAPI.with { api in
            try await Self.makeOperator(api)
            let browser = Browser(api)
            let wrong = try await browser.post("/sign-in", ["name": "ops", "password": "no"])
            let nobody = try await browser.post("/sign-in", ["name": "nobody", "password": "no"])
            #expect(wrong.status == 422 && nobody.status == 422)
            #expect(wrong.html.contains("4 tries are left before a pause of 5 min"))
            #expect(nobody.html.contains("4 tries are left before a pause of 5 min"))

            for _ in 0..<3 { _ = try await browser.post("/sign-in", ["name": "ops", "password": "no"]) }
            let last = try await browser.post("/sign-in", ["name": "ops", "password": "no"])
            let right = try await browser.post("/sign-in", ["name": "ops", "password": Self.password])
            #expect(last.status == 429 && right.status == 429)

            api.clock.advance(.minutes(6))

            #expect(try await browser.post("/sign-in", ["name": "ops", "password": Self.password]).status == 303)
            let again = try await Browser(api).post("/sign-in", ["name": "ops", "password": "no"])
            #expect(again.html.contains("4 tries are left"))
        }
    }

    @Test("a session ends by its button, by another browser, by a reset and by itself", arguments: TestEngine.all)
    func endings(engine: TestEngine) async throws {
        try await TestAPI.with(engine) { api in
            try await Self.makeOperator(api)
            let browsers = [Browser(api), Browser(api), Browser(api)]
            for browser in browsers {
                _ = try await browser.post("/sign-in", ["name": "ops", "password": Self.password])
                #expect(try await browser.get("/account").status == 200)
            }
            let token = try #require(browsers[0].cookies.values.first)

            #expect(try await browsers[0].act("/sign-out").location == "/sign-in")
            browsers[0].cookies = [SessionCookie(isSecure: false, port: 8484).name: token]
            #expect(try await browsers[0].get("/account").location?.hasPrefix("/sign-in") == true)

            _ = try await browsers[1].act("/account/sessions/end-others")
            #expect(try await browsers[2].get("/account").status == 303)
            #expect(try await browsers[1].get("/account").status == 200)

            _ = try await Self.operators(api).reset("ops", at: api.clock.now)
            #expect(try await browsers[1].get("/account").status == 303)

            let late = try await Browser.signedIn(api, name: "late")
            api.clock.advance(.days(15))
            #expect(try await late.get("/account").status == 303)
        }
    }

    @Test("a sign-in link works once, within its time, and not by a mere look")
    func signInLink() async throws {
        try await TestAPI.with { api in
            try await Self.makeOperator(api)
            let link = try await Self.path(Self.operators(api).signInAddress("ops", at: api.clock.now), api)

            let look = try await Browser(api).send(.head, link, headers: [:])
            #expect(look.status == 200)
            #expect(try await Browser(api).get(link).location == "/")
            #expect(try await Browser(api).get(link).status == 410)

            let late = try await Self.path(Self.operators(api).signInAddress("ops", at: api.clock.now), api)
            api.clock.advance(.minutes(16))
            #expect(try await Browser(api).get(late).status == 410)
        }
    }

    @Test("a form from elsewhere or without its token does nothing", arguments: ["cross-site", "same-site", "none"])
    func foreignForms(origin: String) async throws {
        try await TestAPI.with { api in
            let browser = try await Browser.signedIn(api)
            let token = try #require(try await browser.get("/account").formToken)

            let foreign = try await browser.post("/account/sessions/end-others", ["csrf": token], from: origin)
            let without = try await browser.post("/account/sessions/end-others")
            let wrong = try await browser.post(
                "/account/sessions/end-others", ["csrf": String(token.reversed())])
            let signIn = try await browser.post("/sign-in", ["name": "ops", "password": "x"], from: origin)

            #expect([foreign, without, wrong, signIn].allSatisfy { $0.status == 403 })
        }
    }

    @Test("the password is changed with the present one; everyone else is signed out")
    func changePassword() async throws {
        try await TestAPI.with { api in
            try await Self.makeOperator(api)
            let (here, there) = (Browser(api), Browser(api))
            for browser in [here, there] {
                _ = try await browser.post("/sign-in", ["name": "ops", "password": Self.password])
            }
            let new = ["password": "salt and rye at night", "again": "salt and rye at night"]

            let wrong = try await here.act("/account/password", new.merging(["old": "no"]) { $1 })
            #expect(wrong.status == 422)
            let done = try await here.act("/account/password", new.merging(["old": Self.password]) { $1 })

            #expect(done.location == "/sign-in")
            #expect(try await there.get("/account").status == 303)
            #expect(
                try await there.post("/sign-in", ["name": "ops", "password": "salt and rye at night"]).status == 303)
        }
    }

    @Test("acts of operators stand in the audit with the operator")
    func audit() async throws {
        try await TestAPI.with { api in
            try await Self.makeOperator(api)
            let browser = Browser(api)
            _ = try await browser.post("/sign-in", ["name": "ops", "password": "no"])
            _ = try await browser.post("/sign-in", ["name": "ops", "password": Self.password])
            _ = try await browser.act("/sign-out")

            let id = try #require(try await Self.operators(api).list().first?.id.text)
            let rows = try await api.database.read("audit") { try $0.audit(AuditFilter(), ListPage(limit: 50)) }
            let acts = rows.filter { $0.actor == id }.map(\.action)
            #expect(
                acts == [
                    "operator.session_ended", "operator.signed_in", "operator.sign_in_failed",
                    "operator.password_set",
                ])
        }
    }

    @Test("a cookie over https is bound to its host")
    func cookie() {
        let cookie = SessionCookie(isSecure: true, port: 443).set(Secret("t"))
        #expect(cookie.hasPrefix("__Host-patchbay=t; Path=/;"))
        #expect(cookie.hasSuffix("HttpOnly; SameSite=Lax; Secure"))
    }

    // MARK: Making

    static func operators(_ api: TestAPI) -> Operators {
        Operators(database: api.database, ids: api.app.ids, settings: api.app.settings)
    }
    private static func path(_ address: String, _ api: TestAPI) -> String {
        String(address.dropFirst(api.app.settings.browserAddress.count))
    }
    private static func firstPath(_ api: TestAPI) async throws -> String {
        path(try #require(try await operators(api).firstAddress(at: api.clock.now)), api)
    }
    private static func makeOperator(_ api: TestAPI) async throws {
        let path = path(try await operators(api).add("ops", .admin, at: api.clock.now), api)
        let done = try await Browser(api).post(path, ["password": password, "again": password])
        #expect(done.status == 303)
    }
}
