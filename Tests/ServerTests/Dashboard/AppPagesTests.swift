import Kit
import Store
import TestSupport
import Testing

@testable import Server

@Suite("Pages of app credentials", .serialized)
struct AppPagesTests {
    private static let first = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    private static let second = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

    /// An app that an operator added by the form: its id and the path of its webhooks.
    private func added(_ api: TestAPI, _ browser: Browser) async throws -> (id: String, path: String) {
        let sent = try await browser.act(
            "/system/apps", ["provider": "standard-webhooks", "name": "Acme", "secret": Self.first], on: "/system/apps")
        #expect(sent.status == 303)
        let app = try #require(try await api.get("/v1/apps?source=api").data.first)
        return (try #require(app["id"]?.text), try #require(app["webhook_path"]?.text))
    }

    @Test("a secret is changed without a gap, and removed after a second question; none is ever shown")
    func changed() async throws {
        try await TestAPI.withApps(.sqlite) { api async throws in
            let browser = try await Browser.signedIn(api)
            let (id, path) = try await added(api, browser)
            let page = "/system/apps/\(id)"
            #expect(try await browser.get("/system/apps").html.contains("href=\"\(page)\""))

            let sent = try await browser.act(
                "\(page)/secrets", ["secret": " \(Self.second) ", "overlap": "86400"], on: page)
            #expect(sent.status == 303 && sent.location == "\(page)?note=saved")
            #expect(try await api.deliver("msg_1", to: path, Self.first) == 200)
            #expect(try await api.deliver("msg_2", to: path, Self.second) == 200)

            let secrets = try await api.get("/v1/apps/\(id)").json["secrets"]?.elements ?? []
            let old = try #require(secrets.first { $0["expires_at"]?.isNull == false }?["id"]?.text)
            let shown = try await browser.get(page).html
            let remove = "\(page)/secrets/\(old)/remove"
            #expect(
                shown.contains("href=\"\(remove)\"") && !shown.contains("whsec_MfKQ") && !shown.contains("whsec_C2FV"))
            #expect(try await browser.get(remove).html.contains("action=\"\(remove)\""))
            #expect(try await browser.act(remove, on: remove).location == "\(page)?note=app_secret_removed")
            #expect(try await api.deliver("msg_3", to: path, Self.first) == 401)
            #expect(try await api.deliver("msg_4", to: path, Self.second) == 200)

            let last = try #require(try await api.get("/v1/apps/\(id)").json["secrets"]?.elements?.first?["id"]?.text)
            let warned = try await browser.get("\(page)/secrets/\(last)/remove").html
            #expect(warned.contains("nothing that comes to this address is believed any more"))
        }
    }

    @Test("what cannot be used is said beside the form, which forgets the secret")
    func refused() async throws {
        try await TestAPI.withApps(.sqlite) { api async throws in
            let browser = try await Browser.signedIn(api)
            let page = "/system/apps/\(try await added(api, browser).id)"

            let empty = try await browser.act("\(page)/secrets", ["overlap": "0"], on: page)
            let garbled = try await browser.act("\(page)/secrets", ["secret": "whsec_!!", "overlap": "0"], on: page)
            let never = try await browser.act("\(page)/secrets", ["secret": Self.second, "overlap": "soon"], on: page)

            #expect(empty.status == 422 && empty.html.contains("Nothing was filled in"))
            #expect(garbled.status == 422 && garbled.html.contains("secrets.webhook_secret[0]"))
            #expect(never.status == 422 && never.html.contains("overlap_seconds"))
            #expect(!garbled.html.contains("whsec_!!") && !never.html.contains(Self.second))
            #expect(try await browser.get("/system/apps/app_00000000000000000000000009").status == 404)
            #expect(try await browser.get("\(page)/secrets/sec_1/remove").status == 404)
        }
    }

    @Test("a viewer sees when secrets came and end, and no form")
    func viewer() async throws {
        try await TestAPI.withApps(.sqlite) { api async throws in
            let id = try await added(api, try await Browser.signedIn(api)).id
            let browser = try await Browser.signedIn(api, as: .viewer, name: "looker")
            let page = try await browser.get("/system/apps/\(id)")
            #expect(page.status == 200 && page.html.contains("Webhook secret"))
            #expect(!page.html.contains("/secrets"))
        }
    }
}
