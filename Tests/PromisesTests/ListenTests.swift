import Foundation
import Kit
import StandardWebhooks
import Stripe
import TestSupport
import Testing

@Suite("What a server receives is passed on to a laptop", .serialized)
struct ListenTests {
    /// A server with a key, a folder for the command's state, and an address to pass on to.
    private struct Place {
        let server: ServerProcess
        let key: String
        let home = FileManager.default.temporaryDirectory.appendingPathComponent("listen-\(UUID().uuidString)")

        init(_ url: String) throws {
            server = try ServerProcess(databaseURL: url)
            key = try server.makeKey()
            try FileManager.default.createDirectory(at: home, withIntermediateDirectories: true)
        }

        var environment: [String: String] {
            [
                "PATH": "/usr/bin:/bin", "HOME": home.path, "XDG_STATE_HOME": home.path, "PATCHBAY_API_KEY": key,
                "PATCHBAY_URL": "http://127.0.0.1:\(server.port)", "SWIFT_BACKTRACE": "enable=no",
            ]
        }
        var log: String { home.appendingPathComponent("output").path }
        var output: String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }
        var lines: [JSON] { output.split(separator: "\n").compactMap { try? JSON.parse(String($0)) } }

        func listen(_ application: LocalApplication, _ arguments: String...) throws -> ChildProcess {
            try ChildProcess(
                ServerProcess.binary.path,
                ["listen", "--forward-to", "http://127.0.0.1:\(application.port)/hooks/{provider}"] + arguments,
                environment: environment, output: log)
        }
        func secrets() throws -> [WebhookSecret] {
            let run = try CommandLineRun(["listen", "--print-secret"], environment: environment)
            return try Stripe().webhooks.secrets(in: run.output)
        }
        func isListening(times: Int) -> Bool { output.components(separatedBy: "Listening at").count == times + 1 }
        func remove() { try? FileManager.default.removeItem(at: home) }
    }

    private func ids(_ application: LocalApplication) -> [String] {
        application.received.compactMap { (try? JSON.parse($0.body))?["id"]?.text }
    }

    /// With the form of the bytes that no reader would write again alike.
    private func event(_ number: Int, type: String = "price.created") -> [UInt8] {
        Array(
            #"{ "id" : "evt_listen_\#(number)","object":"event", "type":"\#(type)","created":1795255200,"#.utf8)
            + Array(#""livemode":false,"#.utf8)
            + Array(#""data":{"object":{"object":"price","unit":1.10,"note":"é\u00e9"}}}"#.utf8)
    }

    @Test("byte for byte, signed anew, in order, and through a kill of the command", arguments: TestEngine.all)
    func throughAKill(engine: TestEngine) async throws {
        try await TestDatabase.withAddress(engine) { url in
            let place = try Place(url)
            defer { place.remove() }
            let application = try LocalApplication()
            defer { application.stop() }
            try await place.server.start()
            #expect(try await place.server.deliver(bytes: event(-1)) == 200)
            var command = try place.listen(application)
            try await expectEventually { place.isListening(times: 1) }

            for number in 0..<40 {
                #expect(try await place.server.deliver(bytes: event(number)) == 200)
                if number == 15 {
                    try await expectEventually { ids(application).count > 4 }
                    command.signal(SIGKILL)
                    command.wait()
                }
                if number == 25 { command = try place.listen(application) }
            }
            try await expectEventually { ids(application).last == "evt_listen_39" }

            // At the kill the last one may come again; nothing else does, and nothing is missing.
            let got = ids(application)
            #expect(
                got.reduce(into: [String]()) { if $0.last != $1 { $0.append($1) } }
                    == (0..<40).map { "evt_listen_\($0)" })
            #expect(got.count <= 41)
            let secrets = try place.secrets()
            for delivery in application.received {
                #expect(delivery.target == "/hooks/stripe")
                #expect(delivery.headers["Content-Type"] == "application/json")
                #expect((try? Stripe().webhooks.check(delivery, with: secrets)) != nil)
            }
            #expect(application.received.first?.body == event(0))
            command.signal(SIGINT)
            #expect(command.wait() == 0)
            #expect(place.output.contains("the next start goes on from here"))
        }
    }

    @Test("what the application does not take is sent again before anything else is")
    func refusedAndAway() async throws {
        try await TestDatabase.withAddress(.sqlite) { url in
            let place = try Place(url)
            defer { place.remove() }
            try await place.server.start()
            let application = try LocalApplication { number in number < 3 ? 500 : 200 }
            let command = try place.listen(application, "--json", "--types", "price.*,plan.updated")
            defer { command.signal(SIGKILL) }
            try await expectEventually { place.isListening(times: 1) }
            #expect(try await place.server.deliver(bytes: event(0)) == 200)
            #expect(try await place.server.deliver(bytes: event(1, type: "plan.created")) == 200)
            #expect(try await place.server.deliver(bytes: event(2, type: "plan.updated")) == 200)
            try await expectEventually { ids(application).count == 4 }
            #expect(ids(application) == ["evt_listen_0", "evt_listen_0", "evt_listen_0", "evt_listen_2"])

            application.stop()
            try await expectEventually { (try? LocalApplication(port: application.port).stop()) != nil }
            #expect(try await place.server.deliver(bytes: event(3)) == 200)
            try await expectEventually { place.output.contains("waiting for it") }
            place.server.crash()
            try await place.server.start()
            #expect(try await place.server.deliver(bytes: event(4)) == 200)
            let again = try LocalApplication(port: application.port)
            defer { again.stop() }
            try await expectEventually { ids(again) == ["evt_listen_3", "evt_listen_4"] }
            // The application knows of each before the command can say so.
            try await expectEventually { place.lines.filter { $0["taken"]?.boolean == true }.count == 4 }
            #expect(place.lines.first?["status"]?.integer == 500)
        }
    }

    @Test("from a past moment, from an event, from the start; our own events signed as Standard Webhooks")
    func past() async throws {
        try await TestDatabase.withAddress(.sqlite) { url in
            let place = try Place(url)
            defer { place.remove() }
            try await place.server.start()
            for number in 0..<4 { #expect(try await place.server.deliver(bytes: event(number)) == 200) }
            try await expectEventually {
                try await place.server.json("/v1/changes", key: place.key)["head"]?.integer == 4
            }
            for (arguments, first) in [
                (["--since", "1h"], 0), (["--since", "evt_listen_2"], 2), (["--from-start"], 0),
            ] {
                let application = try LocalApplication()
                defer { application.stop() }
                let command = try place.listen(application, arguments[0], arguments.count > 1 ? arguments[1] : "--json")
                try await expectEventually { ids(application) == (first..<4).map { "evt_listen_\($0)" } }
                command.signal(SIGKILL)
                command.wait()
            }

            let application = try LocalApplication()
            defer { application.stop() }
            let command = try place.listen(application, "--what", "events", "--from-start", "--types", "event.*")
            try await expectEventually { application.received.count == 4 }
            command.signal(SIGKILL)
            command.wait()
            let first = try #require(application.received.first)
            let secrets = try standardSecrets(place)
            #expect((try? StandardWebhooks().webhooks.check(first, with: secrets)) != nil)
            let body = try JSON.parse(first.body)
            #expect(body["type"]?.text == "event.received")
            #expect(body["data", "payload", "data", "object", "unit"]?.numberText == "1.10")
        }
    }

    @Test(
        "a time range is replayed to an application on this machine: in order, signed anew, with nothing at the server")
    func replay() async throws {
        try await TestDatabase.withAddress(.sqlite) { url in
            let place = try Place(url)
            defer { place.remove() }
            try await place.server.start()
            for number in 0..<3 { #expect(try await place.server.deliver(bytes: event(number)) == 200) }
            let application = try LocalApplication { number in number == 2 ? 500 : 200 }
            defer { application.stop() }
            func replay(_ arguments: String...) throws -> CommandLineRun {
                try CommandLineRun(
                    [
                        "events", "replay", "--to", "127.0.0.1:\(application.port)/hooks/{provider}", "--after",
                        "2020-01-01T00:00:00Z",
                    ] + arguments, environment: place.environment)
            }
            // The list of events ends at the feed's head, some two seconds back.
            var dry = try replay("--dry-run")
            for _ in 0..<300 where !dry.output.contains("3 deliveries would be sent") {
                try await Task.sleep(for: .milliseconds(50))
                dry = try replay("--dry-run")
            }
            #expect(dry.output.contains("3 deliveries would be sent") && application.received.isEmpty)

            let run = try replay("--per-second", "100")
            #expect(run.status == 0, "\(run.output)")
            #expect(ids(application) == ["evt_listen_0", "evt_listen_1", "evt_listen_1", "evt_listen_2"])
            let secrets = try place.secrets()
            for delivery in application.received {
                #expect((try? Stripe().webhooks.check(delivery, with: secrets)) != nil)
            }
            application.stop()
            let away = try replay()
            #expect(away.status == 1 && away.output.contains("go on with --after"), "\(away.output)")
            let jobs = try CommandLineRun(["jobs", "list", "--json"], environment: place.environment)
            #expect(!jobs.output.contains("/replay"))
        }
    }

    private func standardSecrets(_ place: Place) throws -> [WebhookSecret] {
        let run = try CommandLineRun(["listen", "--print-secret"], environment: place.environment)
        return try StandardWebhooks().webhooks.secrets(in: run.output)
    }

    @Test(
        "the exit code says why it cannot listen",
        arguments: [
            (["listen"], 2, "--forward-to"),
            (["listen", "--forward-to", "http://"], 2, "no address"),
            (["listen", "--forward-to", "localhost:1", "--since", "1h", "--from-start"], 2, "exclude"),
            (["listen", "--forward-to", "localhost:1", "--provider", "nobody"], 2, "sends no webhooks"),
            (["listen", "--forward-to", "localhost:1", "--what", "events", "--types", "A"], 2, "is no pattern"),
            (["listen", "--forward-to", "localhost:1", "--url", "http://127.0.0.1:1"], 3, "cannot be reached"),
        ])
    func refusals(arguments: [String], status: Int32, words: String) throws {
        let home = FileManager.default.temporaryDirectory.appendingPathComponent("listen-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: home) }
        let run = try CommandLineRun(arguments, environment: ["XDG_STATE_HOME": home, "PATCHBAY_API_KEY": "pb_test_x"])

        #expect(run.status == status, "\(run.output)")
        #expect(run.output.contains(words), "\(run.output)")
    }
}

/// Asks again until it is so, for at most two minutes: the bound says only that it hangs.
private func expectEventually(_ condition: () async throws -> Bool) async throws {
    for _ in 0..<2400 {
        if try await condition() { return }
        try await Task.sleep(for: .milliseconds(50))
    }
    Issue.record("It did not become so in time.")
}
