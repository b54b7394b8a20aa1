import Kit
import Testing

@testable import Sandbox

@Suite("Faults by switch")
struct FaultTests {
    private func fault(_ json: String) throws -> Fault { try Fault(JSON.parse(json), platforms: ["stripe"]) }

    @Test("a connection closed before the effect has none, closed after it has it; the key gives the lost answer")
    func drops() async throws {
        let rig = try Rig()
        rig.switches.set([try fault(#"{"platform":"stripe","path":"/v1/customers","times":1,"drop":"before"}"#)])
        #expect(try await rig.send("POST", "/v1/customers", "name=A", key: "k") == nil)
        #expect(rig.told().isEmpty)

        rig.switches.set([try fault(#"{"platform":"stripe","path":"/v1/customers","times":1,"drop":"after"}"#)])
        #expect(try await rig.send("POST", "/v1/customers", "name=A", key: "k") == nil)
        #expect(rig.told() == ["customer.created"])

        let again = try #require(await rig.send("POST", "/v1/customers", "name=A", key: "k"))
        #expect(again.status == 200)
        #expect(again.headers["Idempotent-Replayed"] == "true")
        #expect(rig.told() == ["customer.created"])
    }

    @Test(
        "what the sandbox is told is bounded, and the answer says by what",
        arguments: [
            ("PUT", "/story", #"{"rate":1e-300}"#, "0, or from 0.001 to 1000"),
            ("PUT", "/story", #"{"rate":1001}"#, "1000"),
            ("POST", "/send", deep(33, at: "stripe", "invoice.paid"), "deeper than 32 levels"),
            ("POST", "/send", deep(60_000, at: "stripe", "invoice.paid"), "deeper than 32 levels"),
            ("POST", "/send", deep(60_000, at: "tiktok", "authorization.removed"), "deeper than 32 levels"),
        ])
    func bounds(method: String, path: String, body: String, says: String) async throws {
        let answer = try await control(method, path, body)
        #expect(answer.status == 400)
        #expect(try JSON.parse(answer.body).text("detail")?.contains(says) == true)
    }

    @Test("32 levels are deep enough", arguments: [("stripe", "invoice.paid"), ("tiktok", "authorization.removed")])
    func levels(platform: String, event: String) async throws {
        #expect(try await control("POST", "/send", Self.deep(32, at: platform, event)).status == 202)
        #expect(try await control("PUT", "/story", #"{"rate":0.001}"#).status == 200)
    }

    private static func deep(_ levels: Int, at platform: String, _ event: String) -> String {
        let name = Array(repeating: "a", count: levels).joined(separator: ".")
        return #"{"platform":"\#(platform)","event":"\#(event)","overrides":{"\#(name)":1}}"#
    }

    private func control(_ method: String, _ path: String, _ body: String) async throws -> SandboxAnswer {
        let rig = try TikTokRig()
        let platforms: [any Platform] = [SimulatedStripe(), rig.tiktok]
        let post = Post(keeper: rig.keeper, platforms: platforms, switches: rig.switches)
        let running = Task { try await post.run() }
        let control = Control(
            keeper: rig.keeper, platforms: platforms, switches: rig.switches, post: post,
            clock: Clock(keeper: rig.keeper, platforms: platforms), reset: { _ in })
        let answer = control.answer(
            SandboxRequest(
                method: method, path: path, query: "", headers: [Field("Host", "127.0.0.1:1")],
                body: Array(body.utf8), base: "http://127.0.0.1:1"))
        running.cancel()
        _ = await running.result
        return answer
    }

    @Test("a failing status before the effect is not kept under the key, one after it is")
    func failures() async throws {
        let rig = try Rig()
        rig.switches.set([try fault(#"{"platform":"stripe","times":1,"status":429,"retry_after":"2"}"#)])
        let limited = try #require(await rig.send("POST", "/v1/customers", "name=A", key: "k"))
        #expect(limited.status == 429)
        #expect(limited.headers["Retry-After"] == "2")
        #expect(try await rig.send("POST", "/v1/customers", "name=A", key: "k")?.status == 200)

        rig.switches.set([try fault(#"{"platform":"stripe","times":1,"status":500,"fails":"after"}"#)])
        #expect(try await rig.send("POST", "/v1/customers", "name=B", key: "l")?.status == 500)
        #expect(try await rig.send("POST", "/v1/customers", "name=B", key: "l")?.status == 500)
        #expect(rig.told() == ["customer.created", "customer.created"])
    }

    @Test("a twin of a request that is still being answered is told so")
    func twins() async throws {
        let rig = try Rig()
        rig.switches.set([try fault(#"{"platform":"stripe","latency_ms":200}"#)])

        async let first = rig.send("POST", "/v1/customers", "name=A", key: "k")?.status
        async let second = rig.send("POST", "/v1/customers", "name=A", key: "k")?.status
        let statuses = try await [first, second]

        #expect(Set(statuses) == [200, 409])
        #expect(rig.told() == ["customer.created"])
    }

    @Test(
        "a fault that says something unknown or impossible is refused with a sentence",
        arguments: [
            #"{"platform":"x"}"#, #"{"platform":"stripe","latency":5}"#, #"{"platform":"stripe","status":200}"#,
            #"{"platform":"stripe","drop":"never"}"#, #"{"platform":"stripe","times":0}"#,
            #"{"platform":"stripe","latency_ms":999999}"#, #"{"platform":"stripe","webhooks":{"repeat":99}}"#, "[]",
        ])
    func badFaults(json: String) { #expect(throws: BadControl.self) { try fault(json) } }

    @Test(
        "who is not of this machine may not drive it",
        arguments: [
            ([Field("Host", "127.0.0.1:1")], true), ([Field("Host", "localhost:1")], true),
            ([Field("Host", "evil.example")], false),
            ([Field("Host", "127.0.0.1:1"), Field("Origin", "https://evil.example")], false),
            ([Field("Host", "127.0.0.1:1"), Field("Origin", "http://127.0.0.1:1")], true),
            ([Field("Host", "127.0.0.1:1"), Field("Origin", "null")], false),
            ([Field("Host", "127.0.0.1:1"), Field("Sec-Fetch-Site", "cross-site")], false), ([], false),
        ])
    func strangers(headers: [Field], isKnown: Bool) {
        let request = SandboxRequest(
            method: "POST", path: "/reset", query: "", headers: headers, body: [], base: "http://127.0.0.1:1")

        #expect((Control.stranger(request) == nil) == isKnown)
    }
}
