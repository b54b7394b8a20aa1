import AsyncHTTPClient
import Engine
import Foundation
import Kit
import NIOCore
import Server
import Stripe

/// Tells on the terminal what happens, one line each, at most a few of a kind in a while.
struct Narrator: Sendable {
    let supervisor: Supervisor

    /// Of each kind one line in so long; what comes meanwhile is counted.
    private static let pause = Duration.seconds(3)

    func follow() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await followFeed() }
            group.addTask { await followDeliveries() }
            group.addTask { await tellFirst() }
            group.addTask { await showOff() }
            await group.waitForAll()
        }
    }

    // MARK: The feed

    /// What applications follow, too: live, and from where it stopped after each break.
    private func followFeed() async {
        var position: Int64?
        var budget = Budget(pause: Self.pause)
        while !Task.isCancelled {
            do {
                var messages = ServerSentEvents()
                for try await chunk in try await changes(after: position) {
                    for message in try messages.read(chunk.readableBytesView) {
                        guard let id = message.id.flatMap({ Int64($0) }) else { continue }
                        position = id
                        await tell(try JSON.parse(message.data), &budget)
                    }
                }
            } catch {
                await untilAsked()  // The server is down, or refuses.
                continue
            }
            await untilAsked()  // It has let us go.
        }
    }

    /// A moment, before somebody who has just ended a stream, or would not begin one, is asked again.
    private func untilAsked() async {
        try? await Task.sleep(for: .milliseconds(300))  // Cancelled: the loop ends.
    }

    /// - Throws: where the answer is no stream of changes.
    private func changes(after: Int64?) async throws -> HTTPClientResponse.Body {
        let api = await supervisor.api
        let head: Int64
        if let after {
            head = after
        } else {
            head = try await api.send("GET", "/v1/changes", query: [("limit", "1")])["head"]?.integer ?? 0
        }
        let types = "payment.failed,endpoint.failing,endpoint.disabled,alert.raised"
        return try await api.stream(
            "/v1/changes/stream", query: [("types", types), ("after", String(head))], headers: [])
    }

    private func tell(_ change: JSON, _ budget: inout Budget) async {
        let (data, terminal) = (change["data"], supervisor.terminal)
        let type = change["type"]?.text ?? ""
        if type == "payment.failed" { await supervisor.note(payment: change) }
        guard let before = budget.allows(type) else { return }
        let more = before > 0 ? " (and \(before) more of the kind before)" : ""
        switch type {
        case "payment.failed":
            let who = Self.name(change["user_id"]?.text)
            let money = BakeryWords.money(data?["amount"]).map { " of \($0)" } ?? ""
            let why = data?["problem"]?.text.map { ": \($0)" } ?? ""
            terminal.tell(.failed, "\(who)'s payment\(money) failed\(why)\(more)")
        case "endpoint.failing":
            terminal.tell(.failed, "An endpoint takes nothing: what it should get waits and is sent again\(more)")
        case "endpoint.disabled": terminal.tell(.failed, "An endpoint is disabled\(more)")
        case "alert.raised": terminal.tell(.refused, "\(data?["summary"]?.text ?? "An alert.")\(more)")
        default: break
        }
    }

    static func name(_ user: String?) -> String { user.map(BakeryWords.name) ?? "Somebody" }

    // MARK: Deliveries

    /// Repeats and refusals since the last look.
    private func followDeliveries() async {
        var since = Timestamp.system
        while !Task.isCancelled {
            do { try await Task.sleep(for: Self.pause) } catch { return }
            let until = Timestamp.system
            do {
                let api = await supervisor.api
                for verdict in ["duplicate", "rejected"] {
                    let rows =
                        try await api.send(
                            "GET", "/v1/deliveries",
                            query: [
                                ("verdict", verdict), ("created_after", since.rfc3339),
                                ("created_before", until.rfc3339),
                                ("limit", "100"),
                            ])["data"]?.elements ?? []
                    if !rows.isEmpty { tell(rows, verdict) }
                }
                since = until
            } catch {
                continue  // The server is down: the next look covers this one's time.
            }
        }
    }

    private func tell(_ rows: [JSON], _ verdict: String) {
        let number = rows.count == 100 ? "100 or more" : String(rows.count)
        if verdict == "duplicate" {
            let words =
                rows.count == 1
                ? "An event came once more: counted once." : "\(number) events came once more: each counted once."
            supervisor.terminal.tell(.ok, words)
        } else {
            let words = rows.count == 1 ? "A forged event was refused" : "\(number) forged events were refused"
            supervisor.terminal.tell(
                .refused, "\(words), and kept for you to look at: \(rows[0]["reason"]?.text ?? "")")
        }
    }

    // MARK: At the start

    /// When the first event of this start is there.
    private func tellFirst() async {
        let start = Timestamp.system
        while !Task.isCancelled {
            let api = await supervisor.api
            let rows = try? await api.send(  // The server is down: asked again.
                "GET", "/v1/events", query: [("limit", "1"), ("created_after", (start - .seconds(1)).rfc3339)])
            if let row = rows?["data"]?.elements?.first {
                let took = Supervisor.seconds(ContinuousClock.now - supervisor.began)
                return supervisor.terminal.tell(
                    .ok, "The first event of this start is there after \(took) s: \(row["type"]?.text ?? "")")
            }
            do { try await Task.sleep(for: .milliseconds(100)) } catch { return }
        }
    }

    /// Once a start: the same event once more, then a forged one. `followDeliveries` tells what became of them.
    private func showOff() async {
        do {
            try await Task.sleep(for: .seconds(8))
            try await send(signedWith: supervisor.home.webhookSecret)
            try await Task.sleep(for: .seconds(5))
            try await send(signedWith: "whsec_somebody_elses_secret")
        } catch {
            return  // Stopped, or the server is down: then there is nothing to show.
        }
    }

    private func send(signedWith secret: String) async throws {
        let rows = try await supervisor.api.send("GET", "/v1/events", query: [("limit", "1"), ("provider", "stripe")])
        guard let payload = rows["data"]?.elements?.first?["payload"], !payload.isNull else { return }
        let (scheme, body) = (Stripe().webhooks, payload.bytes)
        let headers = scheme.sign(body, with: try scheme.secrets(in: secret), at: .system)
        _ = try await Loopback.send(
            "POST", await supervisor.places.webhooks, headers: headers.map { ($0.name, $0.value) }, body: body)
    }
}

/// How often a kind may be told.
private struct Budget {
    let pause: Duration
    private var last: [String: (at: ContinuousClock.Instant, untold: Int)] = [:]

    init(pause: Duration) { self.pause = pause }

    /// How many went untold before; nil where this one does, too.
    mutating func allows(_ kind: String) -> Int? {
        let now = ContinuousClock.now
        if let known = last[kind], now - known.at < pause {
            last[kind] = (known.at, known.untold + 1)
            return nil
        }
        let untold = last[kind]?.untold ?? 0
        last[kind] = (now, 0)
        return untold
    }
}

extension Supervisor {
    func note(payment change: JSON) {
        guard let event = change["data", "event_id"]?.text, event != facts.payment?.event else { return }
        facts.payment = .init(
            event: event, who: Narrator.name(change["user_id"]?.text), why: change["data", "problem"]?.text,
            at: change["occurred_at"]?.text ?? Timestamp.system.rfc3339)
        keepFacts()
    }
}
