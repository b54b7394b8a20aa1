import Foundation
import Kit
import Testing

@testable import Server

@Suite("The demo's pages")
struct DemoPagesTests {
    @Test("outside of a demo nothing of it exists, and without a sandbox no page for it")
    func onlyInDemo() async throws {
        try await TestAPI.with { api in
            let browser = try await Browser.signedIn(api)
            for path in ["/demo/mine", "/sandbox"] { #expect(try await browser.get(path).status == 404) }
            for path in ["/demo/kill", "/demo/break", "/sandbox/faults"] {
                #expect(try await browser.act(path).status == 404, "\(path)")
            }
            #expect(try await !browser.get("/").html.contains("/demo/"))
        }
    }

    @Test(
        "a sandbox and a demo are named on this machine only, and never in a live instance",
        arguments: [
            ["PATCHBAY_SANDBOX_URL": "http://127.0.0.1:4001", "PATCHBAY_MODE": "live"],
            ["PATCHBAY_SANDBOX_URL": "https://sandbox.example.com", "PATCHBAY_MODE": "test"],
            ["PATCHBAY_DEMO_CONTROL": "http://10.0.0.1:1", "PATCHBAY_DEMO_TOKEN": "x"],
            ["PATCHBAY_DEMO_CONTROL": "http://127.0.0.1:1"],
            ["PATCHBAY_DEMO_CONTROL": "http://127.0.0.1:1", "PATCHBAY_DEMO_TOKEN": "x", "PATCHBAY_MODE": "live"],
        ])
    func refused(environment: [String: String]) {
        #expect(throws: BadSetting.self) { try Settings.load(environment: environment) }
    }

    @Test("a demo's control makes a demo")
    func demo() throws {
        let settings = try Settings.load(
            environment: ["PATCHBAY_DEMO_CONTROL": "http://127.0.0.1:1", "PATCHBAY_DEMO_TOKEN": "x"])
        #expect(settings.isDemo && settings.mode == .test && settings.demo?.token == Secret("x"))
    }

    // MARK: The checklist

    private func steps(_ json: String) throws -> [Checklist.Step] {
        DemoChecklist.checklist(DemoState(try JSON.parse(json)), Words.of(.english)).steps
    }

    @Test("nothing has happened: nothing is ticked, every step has its button")
    func untouched() throws {
        let steps = try steps(#"{"endpoint":"ep_1","facts":{"payment":null,"killed":null}}"#)
        #expect(steps.map(\.isDone) == [false, false, false, false, false, false])
        #expect(steps.map { $0.action != nil } == [true, true, true, true, true, false])
        #expect(steps.last?.href == "/demo/mine")
    }

    @Test("each step is ticked by what has happened")
    func ticked() throws {
        let steps = try steps(
            #"""
            {"endpoint":"ep_1","is_retried":true,"has_mine":true,"facts":{
             "payment":{"event":"evt_1","who":"Mira Okafor"},"opened":{"event":"evt_2"},
             "broken":{"at":"2026-11-28T10:00:00Z","failed":7,"delivered":3},
             "killed":{"at":"2026-11-28T10:00:00Z","acknowledged":1412,"found":1412,"down_ms":700},
             "month":{"ran":23}}}
            """#)
        #expect(steps.map(\.isDone) == Array(repeating: true, count: 6))
        #expect(steps[0].why?.contains("Mira Okafor") == true && steps[0].href == "/events/evt_1")
        #expect(steps[3].why?.contains("1,412 acknowledged, 1,412 found") == true)
    }

    @Test("an event that was acknowledged and is not found leaves the step open, and shows both numbers")
    func lost() throws {
        let step = try steps(#"{"facts":{"killed":{"acknowledged":412,"found":411,"down_ms":700}}}"#)[3]
        #expect(!step.isDone)
        #expect(step.why?.contains("412 acknowledged, 411 found") == true)
    }

    @Test("broken, the button mends")
    func broken() throws {
        let step = try steps(#"{"is_broken":true,"facts":{"broken":{"failed":3,"delivered":0}}}"#)[2]
        #expect(step.action == "/demo/mend" && !step.isDone && step.why?.contains("Failed tries so far: 3") == true)
    }

    // MARK: The sandbox's switches

    @Test(
        "switches come back as they were set",
        arguments: [
            [:], ["latency": "5000"], ["error": "429-retry-after", "times": "1"], ["drop": "after", "repeat": "0.25"],
            ["repeat": "3", "delay": "2000", "shuffle": "on"],
        ])
    func switches(form: [String: String]) {
        let set = SandboxSwitches(form)
        let (read, others) = SandboxSwitches.read(set.faults(of: "stripe"))
        #expect(read == set && others.isEmpty)
        #expect(set.faults(of: "stripe").isEmpty == form.isEmpty)
    }

    @Test("what the switches cannot say stands beside them, and is neither theirs nor lost")
    func others() throws {
        let faults = try [
            #"{"platform":"stripe","path":"/v1/*","status":500}"#, #"{"platform":"stripe","status":401}"#,
            #"{"platform":"stripe","latency_ms":5000}"#, #"{"platform":"stripe","status":503}"#,
            #"{"platform":"stripe","webhooks":{"wrong_signature":true}}"#,
            #"{"platform":"stripe","webhooks":{"repeat":1}}"#, #"{"platform":"stripe","drop":"during"}"#,
        ].map { try JSON.parse($0) }
        let (read, others) = SandboxSwitches.read(faults)
        #expect(read.latency == "5000" && read.error.isEmpty && read.again == "1" && read.drop.isEmpty)
        #expect(others == [0, 1, 3, 4, 6].map { faults[$0] })
    }

    @Test("what no switch offers is not sent on")
    func hostileSwitches() {
        let set = SandboxSwitches([
            "latency": "1,\"x\":2", "error": "200", "times": "-1", "drop": "both", "repeat": "NaN",
        ])
        #expect(set == SandboxSwitches([:]))
    }
}
