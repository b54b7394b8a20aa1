import AsyncHTTPClient
import Kit
import Logging
import Store
import Synchronization
import TestSupport
import Testing

@testable import Engine

/// A platform whose answers a test writes.
private struct Plain: Callable, Limited {
    let about = About(id: "plain", name: "Plain", version: "1", documentation: "https://example.com")
    let api = APIHost(
        address: "https://api.example.com", addressSetting: "PLAIN_BASE_URL", keySetting: "PLAIN_KEY",
        authorization: .bearer)
    let quotas = [
        Quota("calls", 1000, per: .rolling(.minutes(1)), for: .app),
        Quota("rare", 1, per: .rolling(.minutes(1)), for: .app),
    ]

    func failure(in answer: Answer, at now: Timestamp) -> Failure? {
        switch answer.status {
        case 200..<300: nil
        case 429: Failure(.throttled(retryAfter: answer.retryAfter(at: now)), "Plain takes no more calls for now.")
        case 500...: Failure(.unavailable(retryAfter: answer.retryAfter(at: now)), "Plain is not available.")
        default: Failure(.refused, "Plain refuses the request.")
        }
    }
}

/// Answers what it was given, one after the other, then the last for ever.
private final class Script: Wire {
    struct Lost: Error {}
    private let state: Mutex<(answers: [Int?], sent: Int)>
    let headers: [Field]

    init(_ answers: [Int?], headers: [Field] = []) {
        state = Mutex((answers, 0))
        self.headers = headers
    }
    var sent: Int { state.withLock { $0.sent } }

    func send(_ request: WireRequest, within deadline: Duration) async throws -> Answer {
        let status = state.withLock { state in
            state.sent += 1
            return state.answers.count > 1 ? state.answers.removeFirst() : state.answers.first ?? nil
        }
        guard let status else { throw Lost() }
        return Answer(status: status, headers: headers, body: [])
    }
    func set(_ answers: [Int?]) { state.withLock { $0.answers = answers } }
}

@Suite("The way out of a call")
struct TrafficTests {
    /// A clock on which who sleeps turns it.
    private let clock = TestClock()
    private var time: TimeSource {
        TimeSource(
            now: { clock.now }, uptime: { clock.now - .testNow },
            sleep: { duration in
                clock.advance(by: duration)
                await Task.yield()
            })
    }

    private func caller(_ wire: any Wire, _ database: any Database) -> (Caller, CallRecorder, Traffic) {
        let ids = Identifiers(now: { clock.now })
        let recorder = CallRecorder(database: database, metrics: Metrics(), time: .system, logger: .quiet)
        let quotas = Quotas(
            book: QuotaBook([Plain()]), limiter: Limiter(time: time), keeper: nil, isShared: false, node: { "n" },
            time: time, logger: .quiet)
        let traffic = Traffic(
            quotas: quotas, circuits: Circuits(database: database, time: time, logger: .quiet), recorder: recorder,
            ids: ids, time: time)
        return (
            Caller(Plain(), key: Secret("sk_secret_key"), wire: wire, now: { clock.now }, traffic: traffic), recorder,
            traffic
        )
    }
    private let reading = Outgoing(.get, "/v1/things/\("id of a thing")?secret=1", spends: [Spending(1, of: "calls")])

    @Test("what may be repeated is sent three times at most within its deadline", arguments: TestEngine.all)
    func repeats(_ engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let wire = Script([503])
            let (caller, recorder, _) = caller(wire, database)
            await #expect(throws: CallProblem.self) { _ = try await caller.answer(to: reading) }
            #expect(wire.sent == 3)

            let good = Script([503, 200])
            let other = self.caller(good, database).0
            let status = try await other.answer(to: reading).answer.status
            #expect(status == 200)

            await recorder.drain()
        }
    }

    @Test("what may not be repeated is sent again only where nothing can have happened")
    func never() async throws {
        try await TestDatabase.with(.sqlite) { database in
            for (answers, times) in [([503], 1), ([nil], 1), ([429, 200], 2), ([400], 1)] as [([Int?], Int)] {
                let wire = Script(answers, headers: answers == [429, 200] ? [Field("Retry-After", "2")] : [])
                let post = Outgoing(.post, "/v1/things", within: .minutes(5), spends: [Spending(1, of: "calls")])
                _ = try? await caller(wire, database).0.answer(to: post)
                #expect(wire.sent == times, "\(answers)")
            }
            let keyed = Outgoing(.post, "/v1/things", repeating: .withKey(header: "Idempotency-Key"))
            let wire = Script([503, 200])
            let status = try await caller(wire, database).0.answer(to: keyed).answer.status
            #expect(status == 200)
        }
    }

    @Test("a call that is held when it is to be sent again says what its first attempt may have done")
    func heldAfterAnAttempt() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let rare = Outgoing(.get, "/v1/things", within: .minutes(5), spends: [Spending(1, of: "rare")])
            var context = CallContext("thing", as: Claimant("lane", .urgent))
            context.app = "app_1"
            let (caller, asked) = (caller(Script([503]), database).0, context)
            let problem = await #expect(throws: CallProblem.self) { _ = try await caller.answer(to: rare, in: asked) }
            #expect(problem?.failure?.effect == .possible)
            guard case .unavailable(let wait?)? = problem?.failure?.kind else { return #expect(Bool(false)) }
            #expect(wait > .seconds(50), "and when it may go on")
        }
    }

    @Test("a name that nobody resolves did nothing and is not the platform's fault")
    func unresolved() async throws {
        try await failing(at: "http://no-such-host.invalid") { problem, circuits in
            #expect(problem?.failure?.effect == Failure.Effect.none)
            #expect(circuits.isEmpty)
        }
    }

    @Test("a host that refuses connections did nothing, which is its own fault, and is found out at once")
    func refusedConnection() async throws {
        try await failing(at: "http://127.0.0.1:1") { problem, circuits in
            #expect(problem?.failure?.effect == Failure.Effect.none)
            #expect(circuits.map(\.host) == ["127.0.0.1:1"])
        }
    }

    /// Calls by the real network that all fail; the first problem, and the circuits that are open then.
    private func failing(
        at address: String, _ check: (CallProblem?, [CircuitRow]) -> Void
    ) async throws {
        try await TestDatabase.with(.sqlite) { database in
            let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: HTTPWire.configuration)
            let caller = Caller(
                Plain(), key: Secret("k"), address: address, wire: HTTPWire(client: client), now: { clock.now },
                traffic: self.caller(Script([200]), database).2)
            var first: CallProblem?
            for _ in 0..<6 {
                let outgoing = Outgoing(.post, "/v1/things", within: .seconds(60))
                do throws(CallProblem) { _ = try await caller.answer(to: outgoing) } catch { first = first ?? error }
            }
            try await client.shutdown()
            check(first, try await database.read("c") { try $0.circuits() })
        }
    }

    @Test("a platform's wish to wait is obeyed, or given back to the job when it is longer than the call may take")
    func retryAfter() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let wire = Script([503], headers: [Field("Retry-After", "30")])
            let problem = await #expect(throws: CallProblem.self) {
                _ = try await caller(wire, database).0.answer(to: reading)
            }
            #expect(problem?.failure?.kind == .unavailable(retryAfter: .seconds(30)) && wire.sent == 1)

            let short = Script([503, 200], headers: [Field("Retry-After", "4")])
            let began = clock.now
            let status = try await caller(short, database).0.answer(to: reading).answer.status
            #expect(status == 200)
            #expect(clock.now - began >= .seconds(4))
        }
    }

    @Test("an outage of many calls is not amplified: one in ten is sent again")
    func budget() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let wire = Script([503])
            let (caller, _, _) = caller(wire, database)
            for _ in 0..<4 { _ = try? await caller.answer(to: reading) }
            #expect(wire.sent <= 4 * 3)
            let budget = RetryBudget()
            var again = 0
            for _ in 0..<1000 {
                budget.earn("plain")
                for _ in 0..<2 where budget.spend("plain") { again += 1 }
            }
            #expect((100...112).contains(again), "\(again)")
        }
    }

    @Test("down for ten minutes: one call every 30 seconds; then all go at once", arguments: TestEngine.all)
    func circuit(_ engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let wire = Script([503])
            let (one, _, _) = caller(wire, database)
            let (other, _, _) = caller(wire, database)
            for _ in 0..<10 { _ = try? await one.answer(to: reading) }
            let found = try await database.read("c") { try $0.circuits() }
            #expect(found.map(\.host) == ["api.example.com"])
            // The other node finds it so by itself, from its own failures.
            for _ in 0..<10 { _ = try? await other.answer(to: reading) }
            let before = wire.sent
            for _ in 0..<600 {
                clock.advance(by: .seconds(1))
                for caller in [one, other] {
                    do throws(CallProblem) { _ = try await caller.answer(to: reading) } catch {
                        guard case .held(let hold) = error else { continue }
                        #expect(hold.gate == .circuit("api.example.com"))
                    }
                }
            }
            #expect(wire.sent - before <= 21, "\(wire.sent - before) calls in ten minutes by two nodes")
            let open = try await database.read("c") { try $0.circuits() }
            #expect(open.map(\.host) == ["api.example.com"])

            wire.set([200])
            clock.advance(by: .seconds(31))
            var answered = 0
            for _ in 0..<60 {
                clock.advance(by: .seconds(1))
                for caller in [one, other] where (try? await caller.answer(to: reading)) != nil { answered += 1 }
            }
            #expect(answered >= 60)
            let left = try await database.read("c") { try $0.circuits() }
            #expect(left.isEmpty)
        }
    }

    @Test("a refusal is an answer: no circuit opens for it")
    func refusals() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let wire = Script([400])
            let caller = caller(wire, database).0
            for _ in 0..<50 { _ = try? await caller.answer(to: reading) }
            let open = try await database.read("c") { try $0.circuits() }
            #expect(wire.sent == 50 && open.isEmpty)
        }
    }

    @Test("every call is written down without its key, its ids and its query", arguments: TestEngine.all)
    func recorded(_ engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let (caller, recorder, _) = caller(Script([200]), database)
            var context = CallContext("thing", as: Claimant("lane", .event))
            (context.subject, context.userID, context.correlation) = ("evt_1", "user_7", "req_9")
            _ = try await caller.answer(to: reading, in: context)
            await recorder.drain()

            let rows = try await database.read("calls") { try $0.calls(CallFilter(), ListPage(limit: 10)) }
            let row = try #require(rows.first)
            #expect(rows.count == 1 && row.path == "/v1/things/{}" && row.host == "api.example.com")
            #expect(row.status == 200 && row.outcome == "ok" && row.cost == 1 && row.attempt == 1)
            #expect(row.subject == "evt_1" && row.userID == "user_7" && row.correlation == "req_9")
            #expect(!"\(row)".contains("sk_secret") && !"\(row)".contains("id%20of"))
            let about = try await database.read("about") { try $0.calls(about: "evt_1", limit: 5) }
            #expect(about == rows)
        }
    }

    @Test("a job is told by which gate it waits; it is no attempt")
    func gate() {
        let hold = Hold(until: .testNow, gate: .quota("plain/calls"), reason: "Plain takes 6 calls a minute.")
        #expect(
            CallProblem.held(hold).interruption
                == .gated(until: .testNow, by: "quota plain/calls", reason: "Plain takes 6 calls a minute."))
        #expect(CallProblem.failed(Failure(.refused, "No.")).interruption == nil)
    }
}

extension CallProblem {
    fileprivate var failure: Failure? {
        if case .failed(let failure) = self { failure } else { nil }
    }
}
