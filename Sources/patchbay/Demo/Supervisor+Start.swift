import Engine
import Foundation
import Kit
import Server
import Store

/// What the demo does once everything runs: a key, an endpoint, the first words, the story's first minutes.
extension Supervisor {
    var api: APIClient { APIClient(base: places.server, key: key) }

    /// The kept key where it works still, else a new one.
    func workingKey(_ database: any Database) async throws -> Secret {
        _ = try await database.migrate(program: Instance.version, at: .system)
        let kept = home.read("api-key").map { Secret($0) }
        let name = "demo"
        let names = try await database.read("demo_keys") { try $0.activeKeys(named: name, at: .system) }
        if let kept, names > 0 { return kept }
        let made = try await KeyMaking.make(
            name: name, scopes: ["admin"], settings: settings, database: database,
            ids: Identifiers(now: { Timestamp.system }), at: .system, by: "demo")
        try made.reveal { try home.write("api-key", String(decoding: $0, as: UTF8.self)) }
        return made
    }

    private static var bakery: String { "Rye, a bakery" }
    private static var types: [JSON] { ["user.*", "payment.*"] }

    /// The application's endpoint, at the port that it has now.
    func furnishEndpoint() async throws {
        let url = JSON.string(places.application + "/hooks")
        let rows = try await api.send("GET", "/v1/endpoints", query: [("limit", "100")])["data"]?.elements ?? []
        if let row = rows.first(where: { $0["description"]?.text == Self.bakery }), let id = row["id"]?.text,
            home.read("application-secret") != nil
        {
            endpoint = id
            if row["url"] != url || row["state"]?.text == "disabled" {
                _ = try await api.send("PATCH", "/v1/endpoints/\(id)", body: ["url": url, "state": "active"])
            }
            return
        }
        let made = try await api.send(
            "POST", "/v1/endpoints",
            body: [
                "url": url, "description": .string(Self.bakery), "types": .array(Self.types), "ordered_by": "user",
            ], headers: [("Idempotency-Key", "demo-\(Timestamp.system.microseconds)")])
        guard let id = made["id"]?.text, let secret = made["secret"]?.text else {
            throw Fault("The server makes no endpoint: \(made.line)", code: 1)
        }
        endpoint = id
        try home.write("application-secret", secret)
    }

    // MARK: The first words

    func greeting(_ database: any Database) async throws -> String {
        let operators = Operators(
            database: database, ids: Identifiers(now: { Timestamp.system }), settings: settings)
        let link = try await operators.demoAddress(at: .system)
        let shown = key.reveal { String(decoding: $0, as: UTF8.self) }
        let program = Self.shownProgram
        return """

            \(terminal.bold("Patchbay \(Instance.version), the demo"))\(Self.build) \
            \(terminal.faint("ready after \(Self.seconds(ContinuousClock.now - began)) s"))

              Dashboard    \(terminal.bold(link))
                           \(terminal.faint("signs you in, once, within 15 minutes; a new start prints a new one"))
              Application  \(places.application)  \(terminal.faint("Rye, a bakery: receives what Patchbay sends"))
              API key      \(shown)

            Three commands for a second terminal, in this folder: be Stripe, then be the application.
              export PATCHBAY_API_KEY=\(shown) PATCHBAY_URL=\(places.server)
              STRIPE_WEBHOOK_SECRET_FILE=\(home.file("stripe-webhook-secret")) \(program) trigger stripe \
            customer.subscription.updated --add metadata.patchbay_user=rye
              curl -H "Authorization: Bearer $PATCHBAY_API_KEY" $PATCHBAY_URL/v1/users/rye

            \(terminal.faint("Ctrl-C stops everything and keeps it. What happens from here on:"))
            """
    }

    private static var build: String {
        #if DEBUG
            ", a debug build: it shows what happens, not how fast,"
        #else
            ","
        #endif
    }

    /// As it was called, where that can be pasted.
    private static var shownProgram: String {
        let name = CommandLine.arguments.first ?? "patchbay"
        return name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"'\"$\\".utf8.contains($0) } ? name : "patchbay"
    }

    static func seconds(_ duration: Duration) -> String { String(format: "%.1f", duration.inSeconds) }

    // MARK: The story

    /// Calm, whatever it was before; a world that is new fills its shop first.
    func tellStory() async throws {
        let state = try await Loopback.json("GET", "\(places.sandbox)/state")
        let members = state["platforms", "stripe", "subscriptions", "active"]?.integer ?? 0
        if members < Self.membersAtFirst {
            try await setStory(Self.opening)
            let deadline = ContinuousClock.now + .seconds(12)
            while ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(250))
                let state = try await Loopback.json("GET", "\(places.sandbox)/state")
                // Somebody has moved the slider: theirs counts.
                guard state["story", "rate"]?.numberText.flatMap(Double.init) == Self.opening,
                    state["story", "paused"]?.boolean == false
                else { return }
                let active = state["platforms", "stripe", "subscriptions", "active"]?.integer ?? 0
                if active >= Self.membersAtFirst { break }
            }
        }
        try await setStory(Self.calm)
    }

    /// Events a second.
    private static var calm: Double { 0.5 }
    private static var opening: Double { 20 }
    private static var membersAtFirst: Int64 { 6 }

    private func setStory(_ rate: Double) async throws {
        try await Loopback.json("PUT", "\(places.sandbox)/story", body: ["rate": .number("\(rate)")])
    }
}
