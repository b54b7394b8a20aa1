import Engine
import Foundation
import Kit
import Server
import Store

/// What the dashboard's checklist may ask of the demo, and what comes of it.
extension Supervisor {
    func answer(_ request: DemoControl.Request) async -> DemoControl.Answer {
        do {
            switch (request.method, request.path) {
            case ("GET", "/state"): return .init(200, state)
            case ("POST", "/seen"):
                noteOpened(request.body["event"]?.text ?? "")
                return .init(204, .null)
            case ("POST", "/fail-payment"): return .init(200, try await failPayment())
            case ("POST", "/break"): return .init(200, try await setBroken(true))
            case ("POST", "/mend"): return .init(200, try await setBroken(false))
            case ("POST", "/kill"): return requestKill(request.body)
            case ("POST", "/advance"): return .init(200, try await advance())
            case ("POST", "/mine"): return .init(200, try await MineFile(self.home).examine(request.body))
            default: return .init(404, ["detail": "There is no such thing here."])
            }
        } catch {
            return .init(409, ["detail": .string("\(error)")])
        }
    }

    private var state: JSON {
        let isBroken = facts.broken.map { $0.until == nil } ?? false
        return [
            "application": .string(places.application), "endpoint": .string(endpoint),
            "folder": .string(home.path), "is_broken": .bool(isBroken), "is_killing": .bool(isKilling),
            "is_retried": .bool(facts.isRetried),
            "has_mine": .bool(home.read("mine.env") != nil), "facts": facts.json,
        ]
    }

    private func noteOpened(_ event: String) {
        guard facts.opened == nil, ID<EventKind>(event) != nil else { return }
        facts.opened = .init(event: event, at: Timestamp.system.rfc3339)
        keepFacts()
    }

    // MARK: Killing

    /// Later than at once: the page that asked is still to be sent.
    private static var killDelayMax: Int64 { 5000 }

    private func requestKill(_ body: JSON) -> DemoControl.Answer {
        guard !isKilling, !isStopping else { return .init(409, ["detail": "The server is being killed already."]) }
        isKilling = true
        kill.yield(.milliseconds(min(max(body["delay_ms"]?.integer ?? 0, 0), Self.killDelayMax)))
        return .init(202, ["detail": "The server is killed in a moment."])
    }

    func killOnDemand() async {
        for await delay in kills {
            try? await Task.sleep(for: delay)  // Cancelled: it ends anyway.
            guard !isStopping else { return }
            terminal.tell(.failed, "The server is killed: kill -9.")
            signal(.server, SIGKILL)
        }
    }

    /// What was acknowledged, and whether it is there.
    func compare(down: Duration) async {
        guard let database, var looking = witness else { return }
        do {
            let now = Timestamp.system
            try await looking.look(at: now)
            let count = try await looking.count(in: database, at: now)
            if looking.control == witness?.control { witness = looking }
            facts.killed = .init(
                at: now.rfc3339, acknowledged: count.acknowledged, found: count.found,
                downMilliseconds: Int(down.microseconds / 1000))
            keepFacts()
            terminal.tell(
                count.found == count.acknowledged ? .ok : .failed,
                "The server is back after \(Self.seconds(down)) s: "
                    + "\(Self.grouped(count.acknowledged)) acknowledged, \(Self.grouped(count.found)) found.")
        } catch {
            terminal.tell(.failed, "The server is back, but what it kept cannot be compared: \(error)")
        }
    }

    /// `12,408`.
    static func grouped(_ number: Int) -> String {
        var text = String(number)
        var place = text.count - 3
        while place > 0 {
            text.insert(",", at: text.index(text.startIndex, offsetBy: place))
            place -= 3
        }
        return text
    }

    // MARK: Payments and time

    /// The newest member's card is replaced by one that is declined, and their order grows: the bill cannot be paid.
    private func failPayment() async throws -> JSON {
        let stripe = StripeTill(base: places.stripe, key: home.stripeKey)
        let (user, reason) = try await stripe.failPayment()
        return ["user": .string(user), "reason": JSON(reason)]
    }

    private static var month: Int64 { 31 * 86_400 }

    private func advance() async throws -> JSON {
        let answer = try await Loopback.json(
            "POST", "\(places.sandbox)/clock", body: ["advance_seconds": JSON(Self.month)])
        let ran = Int(answer["ran"]?.integer ?? 0)
        facts.month = .init(at: Timestamp.system.rfc3339, ran: ran)
        keepFacts()
        terminal.tell(.ok, "A month has passed at Stripe: \(ran) renewals and the like fell due.")
        return answer
    }

    // MARK: The application

    private func setBroken(_ isBroken: Bool) async throws -> JSON {
        let wish: JSON = ["failing": .bool(isBroken)]
        try await Loopback.json(
            "POST", places.application + "/failing", headers: [("Origin", places.application)], body: wish)
        try await noteBroken(isBroken)
        return wish
    }

    /// Notes how the application is, whoever broke or mended it; what it refused meanwhile is sent again.
    func noteBroken(_ isBroken: Bool) async throws {
        let was = facts.broken.map { $0.until == nil } ?? false
        guard was != isBroken else { return }
        if isBroken {
            facts.broken = .init(from: .system)
            terminal.tell(.failed, "The application is broken: it answers 500. Patchbay tries again, later and later.")
        } else if let from = facts.broken?.from {
            let until = Timestamp.system  // What is sent again may arrive before it is answered that it will be.
            let answer = try await api.send(
                "POST", "/v1/endpoints/\(endpoint)/recover", body: ["failed_since": .string(from.rfc3339)],
                headers: [("Idempotency-Key", "mend-\(from.microseconds)")])
            // Somebody else has noted it meanwhile. Where the server did not answer, it is not noted and asked again.
            guard facts.broken?.from == from, facts.broken?.until == nil else { return }
            facts.broken?.until = until
            let queued = answer["queued"]?.integer ?? 0
            terminal.tell(.ok, "The application is mended. What it had refused is sent again: \(queued).")
        }
        keepFacts()
    }

    // MARK: Watching

    /// Asks every second what was acknowledged, and how the application is.
    func watch() async {
        while !isStopping, (try? await Task.sleep(for: .seconds(1))) != nil {  // Ends with the task.
            do {
                if var looking = witness, let database, !isKilling {
                    try await looking.look(at: .system)
                    try await looking.trim(in: database, at: .system)
                    if looking.control == witness?.control { witness = looking }
                }
                try await watchApplication()
            } catch {
                continue  // One of them is down: the next second shows.
            }
        }
    }

    private func watchApplication() async throws {
        let state = try await Loopback.json("GET", places.application + "/state")
        try await noteBroken(state["failing"]?.boolean ?? false)
        guard let broken = facts.broken, !facts.isRetried else { return }
        let failed = try await attempts("failed", after: broken.from, order: "desc")
        var again = 0
        if let mended = broken.until {
            let changes = Set(failed.compactMap { $0["change_id"]?.text })
            let delivered = try await attempts("delivered", after: mended, order: "asc")
            again = Set(delivered.compactMap { $0["change_id"]?.text }).intersection(changes).count
        }
        guard failed.count != broken.failed || again != broken.delivered else { return }
        // It may have been mended, or broken anew, while the server was asked.
        guard facts.broken?.from == broken.from else { return }
        facts.broken?.failed = failed.count
        facts.broken?.delivered = again
        keepFacts()
    }

    /// At most a hundred of an outcome.
    private func attempts(_ outcome: String, after: Timestamp, order: String) async throws -> [JSON] {
        try await api.send(
            "GET", "/v1/endpoints/\(endpoint)/attempts",
            query: [("outcome", outcome), ("created_after", after.rfc3339), ("order", order), ("limit", "100")])[
                "data"]?
            .elements ?? []
    }
}
