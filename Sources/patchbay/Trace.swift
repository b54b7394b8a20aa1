import ArgumentParser
import Kit

/// The past of one thing.
struct Trace: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Tells the whole story of one thing: a delivery, event, job, sync, publication, user.",
        discussion: """
            Takes an id of ours, a platform's event id, or a user's id.

            Examples:
              patchbay trace evt_01kb2c3d4e5f6g7h8j9k0m1n2p
              patchbay trace evt_1QDemoOfStripe --json
            """)
    @OptionGroup var server: ServerOptions
    @Argument(help: "Any id.") var id: String

    func run() async throws {
        let story = try await server.server().send("GET", "/v1/trace/\(APIClient.encoded(id))")
        server.print(story) { story in
            for step in story["steps"]?.elements ?? [] { Self.show(step) }
            if story["complete"]?.boolean == false { say("There is more; of each kind the newest is here.") }
            if let job = story["live_job"]?.text { say("It goes on: patchbay why \(job)") }
        }
    }

    /// Two lines: when and what, then the sentence. The time in the local zone.
    private static func show(_ step: JSON) {
        func text(_ name: String) -> String { (step[name]?.text ?? "").visible(atMost: 2000) }
        let moment = Timestamp(rfc3339: text("at"))
        let milliseconds = String((moment?.microseconds ?? 0) / 1000 % 1000 + 1000).dropFirst()
        say("\(LocalTime.full(moment ?? .zero)).\(milliseconds)  \(text("kind")) \(text("state"))  \(text("id"))")
        say("    \(text("sentence"))")
    }
}

/// The future of one thing.
struct Why: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Says what a job, or an event's job, waits for, until when, and its place in line.",
        discussion: """
            Examples:
              patchbay why job_01kb2c3d4e5f6g7h8j9k0m1n2p
              patchbay why evt_01kb2c3d4e5f6g7h8j9k0m1n2p --json
            """)
    @OptionGroup var server: ServerOptions
    @Argument(help: "job_…, or anything that trace takes.") var id: String

    func run() async throws {
        let client = try server.server()
        var job = id
        if ID<JobKind>(id) == nil {
            let story = try await client.send("GET", "/v1/trace/\(APIClient.encoded(id))")
            guard let live = story["live_job"]?.text else {
                if server.json { return say(JSON.object([.init("waits_for", "nothing"), .init("job", .null)]).line) }
                return say("Nothing waits: no job is left to do for it. What happened: patchbay trace \(id)")
            }
            job = live
        }
        let why = try await client.send("GET", "/v1/jobs/\(APIClient.encoded(job))/why")
        server.print(why) { why in
            say("\(job): \(why["sentence"]?.text ?? "")")
            Table.print(why)
        }
    }
}
