import Foundation
import Kit
import Stripe
import Synchronization
import TestSupport

@testable import Engine
@testable import Store

/// A database, Stripe's rules and a Stripe that answers as it is told: deliveries go in by the real door.
struct BillingBench: Sendable {
    let database: any Database
    let billing: Billing
    let wire: FakeStripe
    let ids = Self.ids
    let now: Timestamp
    private static let ids = Identifiers(now: { .testNow }, random: SplitMix(seed: 1))

    init(_ database: any Database, hasKey: Bool = true, now: Timestamp = .testNow) {
        self.database = database
        self.now = now
        wire = FakeStripe()
        billing = Billing(
            Stripe(), database: database,
            caller: hasKey ? Caller(Stripe(), key: Secret("sk_test_1"), wire: wire, now: { now }) : nil)
    }

    /// Keeps a delivery; its event, or the one that it repeats.
    func receive(_ body: String) async throws -> ID<EventKind> {
        let delivery = Delivery(method: "POST", target: "/", headers: [], body: Array(body.utf8), receivedAt: now)
        let arriving = try Stripe().webhooks.events(delivery).map {
            ArrivingEvent(id: ids.make(), event: $0, job: nil, change: nil)
        }
        let arrival = Arrival(
            id: ids.make(), provider: "stripe", app: ID(stored: "app_1"), receivedAt: now, method: "POST", target: [],
            headers: [],
            remote: nil, body: delivery.body, checksum: Checksum.of(delivery.body), flags: nil, reason: nil,
            events: arriving,
            review: nil)
        let name = arriving[0].event.providerEventID ?? ""
        return try await database.set("receive", in: .ingest) { session in
            _ = try session.keep([arrival])
            return try session.row("SELECT id FROM events WHERE provider_event_id = \(name)") { try $0.id() }
                ?? arriving[0].id
        }
    }

    /// What the job runner does with an event. Answers what the last round came to, with all that was set free.
    @discardableResult
    func run(_ id: ID<EventKind>) async throws -> Applied {
        var applied: Applied?
        for _ in 0..<Billing.roundsMax {
            guard let event = try await database.read("event", { try $0.event(id) }) else { throw Missing() }
            let plan = try await billing.plan(event)
            let (rules, now, ready) = (billing.rules, now, ReadyIDs(ids))
            let round = try await database.set("event.apply", in: .work) { session in
                try rules.apply(plan, of: event, in: session, ids: ready, at: now)
            }
            applied = round
            for released in round.linked.released { try await run(released) }
            if round.next != .planAgain { return round }
        }
        guard let applied else { throw Missing() }
        return applied
    }

    @discardableResult
    func deliver(_ body: String) async throws -> Applied { try await run(try await receive(body)) }

    /// As `PUT /v1/users/{id}`, with the jobs of what it sets free.
    @discardableResult
    func put(_ edit: UserEdit) async throws -> Linked {
        let (now, ready) = (now, ReadyIDs(ids))
        let linked = try await database.set("users.put", in: .work) { session in
            var ready = ready
            return try session.upsertUser(edit, by: "key", ids: &ready, at: now).linked
        }
        for event in linked.released { try await run(event) }
        return linked
    }

    func user(_ id: String = "u_42") async throws -> UserRow? { try await database.read("user") { try $0.user(id) } }
    func subscription(_ id: String) async throws -> SubscriptionRow? {
        try await database.read("subscription") { try $0.subscription(id, at: "stripe") }
    }
    func state(_ id: ID<EventKind>) async throws -> String? {
        try await database.read("event") { try $0.event(id)?.state }
    }
    func changes() async throws -> [String] {
        try await database.read("changes") { try $0.rows("SELECT type FROM changes ORDER BY seq") { try $0.text() } }
    }
    func count(_ sql: SQL) async throws -> Int64 {
        try await database.read("count") { try $0.row(sql) { try $0.integer() } } ?? -1
    }

    struct Missing: Error {}
}

/// Answers for subscriptions, or refuses.
final class FakeStripe: Wire {
    enum Mood: Sendable { case answers, silent, status(Int) }
    private struct State {
        var subscriptions: [String: String] = [:]
        var mood = Mood.answers
        var requests: [String] = []
    }
    private let state = Mutex(State())

    var requests: [String] { state.withLock { $0.requests } }
    func says(_ id: String, _ subscription: String) { state.withLock { $0.subscriptions[id] = subscription } }
    func becomes(_ mood: Mood) { state.withLock { $0.mood = mood } }

    func send(_ request: WireRequest, within deadline: Duration) async throws -> Answer {
        try state.withLock { state in
            state.requests.append("\(request.method.rawValue) \(request.url)")
            switch state.mood {
            case .silent: throw BillingBench.Missing()
            case .status(let status):
                return Answer(status: status, headers: [], body: Array(#"{"error":{"code":"x"}}"#.utf8))
            case .answers:
                let id = request.url.split(separator: "/").last.map(String.init) ?? ""
                guard let body = state.subscriptions[id] else {
                    return Answer(status: 404, headers: [], body: Array(#"{"error":{"code":"resource_missing"}}"#.utf8))
                }
                return Answer(status: 200, headers: [], body: Array(body.utf8))
            }
        }
    }
}

/// Files beside the tests.
enum Vectors {
    static func json(_ path: String) throws -> JSON {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(
            path: "Vectors")
        return try JSON.parse(Array(try Data(contentsOf: folder.appending(path: path))))
    }
}
