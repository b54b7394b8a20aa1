import AsyncHTTPClient
import Foundation
import Kit
import NIOCore
import NIOHTTP1
import Synchronization
import Testing

/// The demo as people start it: its own processes, its pages' buttons.
@Suite("The demo", .serialized)
struct DemoTests {
    @Test("the first event is there, Ctrl-C leaves no process, a second start goes on")
    func life() async throws {
        let demo = try DemoProcess()
        defer { demo.end() }
        try await demo.start()
        // The budget is for a machine of one's own.
        #expect(demo.firstEventSeconds ?? 99 <= (isTorture ? 10 : 99))
        let children = demo.children
        #expect(children.count == 3)
        try await demo.pasteCommands()
        #expect(try await demo.connect(user: "rye") == "active")
        let before = try await demo.events()

        #expect(demo.interrupt() == 0)
        #expect(demo.log.contains("stopped, everything kept"))
        #expect(children.allSatisfy { !DemoProcess.isRunning($0) })

        let key = demo.key
        try await demo.start()
        #expect(demo.key == key)
        #expect(try await demo.events() >= before)
        #expect(demo.interrupt() == 0)
    }

    @Test("a killed supervisor leaves no process behind")
    func orphans() async throws {
        let demo = try DemoProcess()
        defer { demo.end() }
        try await demo.start()
        let children = demo.children

        demo.crash()

        for _ in 0..<1200 where children.contains(where: DemoProcess.isRunning) {
            try await Task.sleep(for: .milliseconds(100))
        }
        #expect(!children.contains(where: DemoProcess.isRunning))
    }

    @Test("two demos run side by side; one folder is for one of them")
    func neighbours() async throws {
        let (one, other) = (try DemoProcess(), try DemoProcess())
        defer {
            one.end()
            other.end()
        }
        async let first: Void = one.start()
        async let second: Void = other.start()
        _ = try await (first, second)
        #expect(one.base != other.base)
        #expect(try await one.events() > 0)
        #expect(try await other.events() > 0)

        let third = try CommandLineRun(["demo", "--folder", one.folder])
        #expect(third.status == 1)
        #expect(third.output.contains("runs in this folder already"))
    }

    @Test("killed by the button under load, every acknowledged event is found, each time")
    func kills() async throws {
        let demo = try DemoProcess()
        defer { demo.end() }
        try await demo.start()
        let browser = try await demo.browser()
        try await demo.setStory(position: 83)  // 200 a second.
        var lastFound = 0
        for round in 1...(isTorture ? 100 : 10) {
            try await Task.sleep(for: .milliseconds(.random(in: 50...900)))
            let shown = demo.comparisons.count
            try await browser.press("/demo/kill")
            let comparison = try await demo.comparison(after: shown)
            #expect(comparison.acknowledged == comparison.found, "round \(round)")
            #expect(comparison.found >= lastFound, "round \(round)")
            lastFound = comparison.found
        }
        #expect(lastFound > 0)
        #expect(try await browser.get("/").contains("acknowledged"))
    }

    @Test("a server that is killed again before it answers is started again all the same")
    func killedEarly() async throws {
        let demo = try DemoProcess()
        defer { demo.end() }
        try await demo.start()
        var last: pid_t = 0
        for _ in 0..<3 {
            let server = try await demo.server(after: last)
            kill(server, SIGKILL)
            last = server
        }
        _ = try await demo.server(after: last)
        for _ in 0..<3000 where (try? await demo.events()) == nil { try await Task.sleep(for: .milliseconds(20)) }
        #expect(try await demo.events() > 0)
        #expect(demo.log.ranges(of: "The server ended by signal 9; it is started again.").count == 3)
    }

    @Test("what a broken application refused is sent again, though the server dies while it is asked to")
    func mendedInBetween() async throws {
        let demo = try DemoProcess()
        defer { demo.end() }
        try await demo.start()
        try await demo.setFailing(true)
        try await demo.says("The application is broken")
        let server = try await demo.server(after: 0)
        kill(server, SIGSTOP)
        try await demo.setFailing(false)
        // So long that the supervisor asks meanwhile; where it has not, it asks the next server, which is as well.
        try await Task.sleep(for: .seconds(3))
        kill(server, SIGKILL)
        try await demo.says("The application is mended. What it had refused is sent again")
    }
}

/// A demo that a test has started.
final class DemoProcess: Sendable {
    let folder: String
    private let logFile: String
    private let running = Mutex<ChildProcess?>(nil)
    private var process: ChildProcess? { running.withLock { $0 } }

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("demo-\(UUID().uuidString)").path
        logFile = folder + ".log"
    }

    func end() {
        crash()
        for path in [folder, logFile] { try? FileManager.default.removeItem(atPath: path) }  // Harms nobody.
    }

    var log: String { (try? String(contentsOfFile: logFile, encoding: .utf8)) ?? "" }

    func start() async throws {
        try? FileManager.default.removeItem(atPath: logFile)
        let started = try ChildProcess(
            ServerProcess.binary.path, ["demo", "--folder", folder, "--port", String(try freePort())],
            environment: ["PATH": "/usr/bin:/bin", "SWIFT_BACKTRACE": "enable=no"], output: logFile)
        running.withLock { $0 = started }
        for _ in 0..<6000 {
            if log.contains("The first event of this start") { return try await waitForApplication() }
            guard process?.isRunning == true else { throw ServerDied(log: log) }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw ServerDied(log: log)
    }

    /// The bakery is a process of its own, and may be there after the first event.
    private func waitForApplication() async throws {
        for _ in 0..<3000 {
            if (try? await send("GET", application + "/", [])) != nil { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw ServerDied(log: "The application does not answer.\n" + log)
    }

    func crash() {
        process?.signal(SIGKILL)
        process?.wait()
    }
    /// Ctrl-C. The exit status.
    func interrupt() -> Int32 {
        process?.signal(SIGINT)
        return process?.wait() ?? -1
    }

    // MARK: What it says

    private func found(_ pattern: String) -> String? {
        guard let regex = try? Regex(pattern) else { return nil }  // A pattern of ours: then the test fails.
        return log.firstMatch(of: regex)?.output.last?.substring.map(String.init)
    }
    var firstEventSeconds: Double? { found("is there after ([0-9.]+) s").flatMap(Double.init) }
    var key: String { found("API key +(pb_test_[^ \n]+)") ?? "" }
    var link: String { found("Dashboard +(http[^ \n]+)") ?? "" }
    var application: String { found("Application +(http[^ \n]+)") ?? "" }
    var base: String { found("PATCHBAY_URL=(http[^ \n]+)") ?? "" }

    struct Comparison: Equatable { let acknowledged, found: Int }
    var comparisons: [Comparison] {
        log.matches(of: /([0-9,]+) acknowledged, ([0-9,]+) found/).compactMap { match in
            guard let acknowledged = Int(match.1.replacing(",", with: "")),
                let found = Int(match.2.replacing(",", with: ""))
            else { return nil }
            return Comparison(acknowledged: acknowledged, found: found)
        }
    }
    func comparison(after count: Int) async throws -> Comparison {
        for _ in 0..<3000 {
            let all = comparisons
            if all.count > count, let last = all.last { return last }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw ServerDied(log: log)
    }

    /// The processes that it has started.
    var children: [pid_t] {
        let own = process?.pid ?? 0
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { pid_t($0) }.filter { Self.parent(of: $0) == own }
    }
    /// The server's process, another than the one before it.
    func server(after last: pid_t) async throws -> pid_t {
        for _ in 0..<6000 {
            let found = children.first { pid in
                // Empty where it has ended.
                let line = (try? String(contentsOfFile: "/proc/\(pid)/cmdline", encoding: .utf8)) ?? ""
                return pid != last && Self.isRunning(pid) && line.hasSuffix("\u{0}serve\u{0}")
            }
            if let found { return found }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw ServerDied(log: log)
    }
    /// Waits until it says so on its terminal.
    func says(_ text: String) async throws {
        for _ in 0..<3000 where !log.contains(text) { try await Task.sleep(for: .milliseconds(20)) }
        guard log.contains(text) else { throw ServerDied(log: log) }
    }
    private static func stat(_ pid: pid_t) -> [Substring] {
        let text = (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)) ?? ""
        return text.split(separator: ")").last.map { $0.split(separator: " ") } ?? []
    }
    private static func parent(of pid: pid_t) -> pid_t? {
        let fields = stat(pid)
        return fields.count > 1 ? pid_t(fields[1]) : nil
    }
    static func isRunning(_ pid: pid_t) -> Bool { stat(pid).first.map { $0 != "Z" } ?? false }

    // MARK: What it does

    func events() async throws -> Int {
        let (status, list) = try await send("GET", base + "/v1/changes?limit=1", [("Authorization", "Bearer \(key)")])
        #expect(status == 200)
        return Int(try JSON.parse(list)["head"]?.integer ?? 0)
    }

    func setStory(position: Int) async throws {
        let (status, _) = try await send(
            "POST", application + "/story",
            [("Origin", application), ("Content-Type", "application/x-www-form-urlencoded")],
            Array("position=\(position)".utf8))
        #expect(status == 204)
    }

    func setFailing(_ isFailing: Bool) async throws {
        let (status, _) = try await send(
            "POST", application + "/failing", [("Origin", application), ("Content-Type", "application/json")],
            Array(#"{"failing":\#(isFailing)}"#.utf8))
        #expect(status == 204)
    }

    /// The three commands that it prints, in a shell; the last one shows the user whom the second brought.
    func pasteCommands() async throws {
        let lines = log.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
        let commands = lines.filter { line in
            ["export PATCHBAY", "STRIPE_WEBHOOK", "curl -H"].contains { line.hasPrefix($0) }
        }
        #expect(commands.count == 3)
        let output = folder + "-shell.log"
        defer { try? FileManager.default.removeItem(atPath: output) }
        // The user is there once the event is applied.
        let script =
            commands.prefix(2).joined(separator: "\n") + """

                for _ in $(seq 150); do
                    found=$(\(commands.last ?? ""))
                    case $found in *'"id":"rye"'*) break ;; esac
                    sleep 0.2
                done
                echo "$found"
                """
        let shell = try ChildProcess(
            "/bin/sh", ["-ec", script], environment: ["PATH": "/usr/bin:/bin", "SWIFT_BACKTRACE": "enable=no"],
            output: output)
        #expect(shell.wait() == 0)
        let text = try String(contentsOfFile: output, encoding: .utf8)
        #expect(text.contains("taken") && text.contains("\"id\":\"rye\""), "\(text)")
    }

    /// From a link to the simulated TikTok's page, consent there, and back. How the connection then stands.
    func connect(user: String) async throws -> String? {
        func value(_ name: String, _ headers: [(String, String)]) -> String {
            headers.first { $0.0.lowercased() == name }?.1 ?? ""
        }
        let json = ("Content-Type", "application/json")
        let (made, session) = try await send(
            "POST", base + "/v1/connect-sessions", [("Authorization", "Bearer \(key)"), json],
            Array(#"{"user_id":"\#(user)","provider":"tiktok"}"#.utf8))
        let link = try JSON.parse(session)["url"]?.text ?? ""
        #expect(made == 201 && link.hasPrefix(base))
        let (_, begun, own) = try await exchange("GET", link, [])
        let cookie = String(value("set-cookie", own).prefix { $0 != ";" })
        let token = try #require(
            String(decoding: begun, as: UTF8.self).firstMatch(of: /name="token" value="([^"]+)"/)?.1)
        let form = ("Content-Type", "application/x-www-form-urlencoded")
        let (left, _, away) = try await exchange(
            "POST", link + "/go", [("Cookie", cookie), ("Origin", base), form], Array("token=\(token)".utf8))
        let (asked, page) = try await send("GET", value("location", away), [])
        #expect(left == 303 && asked == 200 && String(decoding: page, as: UTF8.self).contains("Rye wants"))
        let (led, _, back) = try await exchange(
            "POST", value("location", away), [form], Array("account=3&decision=allow".utf8))
        let (met, _) = try await send("GET", value("location", back), [("Cookie", cookie)])
        #expect(led == 302 && met == 200)
        let (listed, rows) = try await send(
            "GET", base + "/v1/connections?user_id=\(user)", [("Authorization", "Bearer \(key)")])
        #expect(listed == 200)
        return try JSON.parse(rows)["data"]?.elements?.first?["state"]?.text
    }

    func browser() async throws -> DemoBrowser {
        let (_, _, headers) = try await exchange("GET", link, [])
        let cookie = headers.first { $0.0.lowercased() == "set-cookie" }?.1.prefix { $0 != ";" } ?? ""
        #expect(!cookie.isEmpty)
        return DemoBrowser(base: base, cookie: String(cookie), demo: self)
    }

    func send(
        _ method: String, _ url: String, _ headers: [(String, String)], _ body: [UInt8]? = nil
    ) async throws -> (Int, [UInt8]) {
        let answer = try await exchange(method, url, headers, body)
        return (answer.0, answer.1)
    }

    private static let client: HTTPClient = {
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.connectionPool.retryConnectionEstablishment = false
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()

    func exchange(
        _ method: String, _ url: String, _ headers: [(String, String)], _ body: [UInt8]? = nil
    ) async throws -> (Int, [UInt8], [(String, String)]) {
        var request = HTTPClientRequest(url: url)
        request.method = .init(rawValue: method)
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if let body { request.body = .bytes(ByteBuffer(bytes: body)) }
        let answer = try await Self.client.execute(request, timeout: .seconds(30))
        let bytes = Array(try await answer.body.collect(upTo: 8 << 20).readableBytesView)
        return (Int(answer.status.code), bytes, answer.headers.map { ($0.name, $0.value) })
    }
}

/// Somebody signed in to a demo's dashboard.
struct DemoBrowser {
    let base: String
    let cookie: String
    let demo: DemoProcess

    func get(_ path: String) async throws -> String {
        let (status, body) = try await demo.send("GET", base + path, [("Cookie", cookie), ("Accept", "text/html")])
        #expect(status == 200, "\(path)")
        return String(decoding: body, as: UTF8.self)
    }

    /// The button of a form on Now.
    func press(_ action: String) async throws {
        let page = try await get("/")
        #expect(page.contains("action=\"\(action)\""))
        let token = page.split(separator: "name=\"csrf\" value=\"").dropFirst().first?.prefix { $0 != "\"" } ?? ""
        let (status, _) = try await demo.send(
            "POST", base + action,
            [
                ("Cookie", cookie), ("Sec-Fetch-Site", "same-origin"),
                ("Content-Type", "application/x-www-form-urlencoded"),
            ], Array("csrf=\(token)".utf8))
        #expect(status == 303, "\(action)")
    }
}
