import Engine
import Kit
import Stripe
import TestSupport
import Testing

@testable import Server
@testable import Store

/// A platform at which nothing is ordered yet.
private struct NothingOrdered: Wire {
    var status = 200
    func send(_ request: WireRequest, within deadline: Duration) async throws -> Kit.Answer {
        Kit.Answer(status: status, headers: [], body: Array(#"{"data":[],"has_more":false}"#.utf8))
    }
}

@Suite("Webhooks ordered by API: routes")
struct SubscriptionTests {
    private static let app = ID<AppKind>(stored: "app_00000000000000000000000009")

    private static func with(
        _ base: Result<String, Subscribing.Refusal>, status: Int = 200,
        _ body: @Sendable @escaping (TestAPI) async throws -> Void
    ) async throws {
        try await TestAPI.with(
            assemble: { database, ids, clock in
                _ = try await database.write("app") { try $0.settingsApp(of: "stripe", id: app, at: .testNow) }
                let caller = Engine.Caller(
                    Stripe(), key: Secret("sk_test_1"), wire: NothingOrdered(status: status), now: { clock.now })
                var hooks = Hooks()
                hooks.subscribing = Subscribing([app: .init(Stripe(), caller: caller)], base: base)
                return (hooks, [])
            }, body)
    }

    @Test("a dry run asks and changes nothing; ordering is a job; nothing is looked at or removed before")
    func ordered() async throws {
        try await Self.with(.success("https://pb.example")) { api in
            let path = "/v1/apps/\(Self.app)/subscription"
            #expect(try await api.get(path).json["state"] == "none")
            #expect(try await api.post(path + "/check", ["repair": false]).code == "wrong_state")
            #expect(try await api.send("DELETE", path).code == "wrong_state")
            let dry = try await api.post(path, ["dry_run": true])
            #expect(dry.status == 200 && dry.json["would"]?.elements?.first?["act"] == "register")
            #expect(dry.json["url"] == "https://pb.example/webhooks/stripe")
            #expect(dry.json["events"]?.elements?.contains("invoice.paid") == true)
            #expect(try await api.get(path).json["state"] == "none")

            let ordered = try await api.post(path, .object([]))
            #expect(ordered.status == 202 && ordered.json["state"] == "registering")
            #expect(try await api.get("/v1/jobs?kind=webhooks.subscription").data.count == 1)
            #expect(try await api.post(path + "/check", ["repair": false]).status == 202)
            #expect(try await api.send("DELETE", path).json["state"] == "removing")
            #expect(try await api.post(path, .object([])).code == "wrong_state")
            #expect(try await api.get("/v1/apps/\(TestAPI.appID)/subscription").status == 404)
        }
    }

    @Test("without an address that the platform reaches, and where it refuses, the answer says what to do")
    func refused() async throws {
        try await Self.with(.failure(.init("PATCHBAY_PUBLIC_URL must be https."))) { api in
            let reply = try await api.post("/v1/apps/\(Self.app)/subscription", ["dry_run": true])
            #expect(reply.code == "not_set_up" && reply.json["detail"]?.text?.contains("PATCHBAY_PUBLIC_URL") == true)
        }
        try await Self.with(.success("https://pb.example"), status: 403) { api in
            let reply = try await api.post("/v1/apps/\(Self.app)/subscription", ["dry_run": true])
            #expect(reply.status == 502 && reply.json["detail"]?.text?.contains("permission") == true)
        }
    }

    @Test(
        "outside of demo and test only a public https address counts",
        arguments: [
            (nil, false), ("http://pb.example", false), ("https://127.0.0.1:8484", false),
            ("https://localhost", false), ("https://pb.example", true),
        ] as [(String?, Bool)])
    func address(url: String?, isGood: Bool) {
        var settings = Settings()
        settings.mode = .live
        settings.publicURL = url
        #expect((try? settings.addressForPlatforms.get()) == (isGood ? url : nil))
    }

    @Test("the page shows what can be ordered, and orders it; doctor says how it is")
    func shown() async throws {
        try await Self.with(.success("https://pb.example")) { api in
            let browser = try await Browser.signedIn(api)
            let path = "/system/apps/\(Self.app)/subscription"
            #expect(try await browser.get("/system/apps").html.contains("action=\"\(path)\""))
            let sent = try await browser.act(path, on: "/system/apps")
            #expect(sent.status == 303 && sent.location == "/system/apps?note=app_ordered")
            let page = try await browser.get("/system/apps", headers: ["Accept-Language": "ko"]).html
            #expect(page.contains("등록 중") && page.contains("action=\"\(path)/remove\""))
        }
        func row(_ state: WebhookSubscriptionRow.State, duplicates: [String] = []) -> WebhookSubscriptionRow {
            WebhookSubscriptionRow(
                app: Self.app, provider: "stripe", state: state, url: "https://pb.example/webhooks/stripe",
                remoteID: "we_1", secretID: nil, differences: ["disabled"], duplicates: duplicates,
                problem: state == .failed ? "Give it the permission." : nil, registeredAt: nil, checkedAt: nil,
                updatedAt: .testNow)
        }
        #expect(SettingsRules.subscription(row(.registered)).verdict == .ok)
        #expect(SettingsRules.subscription(row(.registered, duplicates: ["we_2"])).verdict == .warning)
        #expect(SettingsRules.subscription(row(.differs)).verdict == .warning)
        #expect(SettingsRules.subscription(row(.failed)).verdict == .failed)
    }
}
