import Kit
import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import Engine
@testable import Store

/// A shop that posts and lists; nothing tells two posts of the same apart but the list.
struct SampleShop: AccountCallable {
    let about = About(id: "shop", name: "Shop", version: "1", documentation: "https://shop.example")
    let oauth = SamplePlatform(rotation: .none).oauth
    let accountHost = "https://shop.example"
    func failure(in answer: Answer, at now: Timestamp) -> Failure? {
        switch answer.status {
        case 200...299: nil
        case 429: Failure(.throttled(retryAfter: .seconds(1)), "Shop takes no more.")
        case 500...: Failure(.unavailable(retryAfter: nil), "Shop is away.")
        default: Failure(.refused, "Shop refuses it.")
        }
    }
}

@Suite("Addresses that a platform's answers name")
struct NamedAddressTests {
    /// Notes where it is sent, and is refused.
    private final class Way: StreamWire {
        private let seen = Mutex<[String]>([])
        private let failure: WireFailure?
        init(_ failure: WireFailure? = nil) { self.failure = failure }
        var urls: [String] { seen.withLock { $0 } }
        func send(_ request: StreamRequest, within deadline: Duration) async throws -> StreamAnswer {
            seen.withLock { $0.append(request.url) }
            if let failure { throw failure }
            return StreamAnswer(status: 200, headers: []) { _ in }
        }
    }

    private func sent(
        to url: String, base: String?, _ wire: Way, _ outside: Way, in database: any Database
    ) async throws -> ConnectionCaller.Heard {
        let (time, ids) = (TestClock().source, Identifiers(now: { .testNow }))
        let traffic = Traffic(
            quotas: Quotas(
                book: QuotaBook([]), limiter: Limiter(time: time, lastAlive: nil), keeper: nil, isShared: false,
                node: { "n" }, time: time, logger: .quiet),
            circuits: Circuits(database: database, time: time, logger: .quiet),
            recorder: CallRecorder(database: database, metrics: Metrics(), time: time, logger: .quiet), ids: ids,
            time: time)
        let caller = ConnectionCaller(
            platforms: ["shop": .init(SampleShop(), base: base)], traffic: traffic, wire: wire, outside: outside,
            objects: nil
        ) { _, _ in Proxying.Credential(token: Secret("t"), version: 1) }
        var call = Outgoing(.put, "/upload")
        call.host = .given(Secret(url), within: ["shop.example"])
        return try await caller.send(
            call,
            on: ConnectionCaller.Errand(
                connection: "c", account: "a", userID: nil, app: "app", provider: "shop", purpose: "test",
                claimant: Claimant("c", .publishing)))
    }

    @Test("are reached through the guard; the operator's own are not")
    func ways() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let (wire, outside) = (Way(), Way())
            let named = try await sent(
                to: "https://up.shop.example/1", base: nil, wire, outside, in: database)
            let own = try await sent(
                to: "http://127.0.0.1:4011/1", base: "http://127.0.0.1:4010", wire, outside, in: database)
            #expect(named.failure == nil && own.failure == nil)
            #expect(outside.urls == ["https://up.shop.example/1"] && wire.urls == ["http://127.0.0.1:4011/1"])
        }
    }

    @Test(
        "at another host, another port or without https are not dialled at all",
        arguments: [
            "https://shop.example.evil.example/", "http://up.shop.example/", "https://up.shop.example:8443/",
            "https://127.0.0.1/", "https://up.shop.example@127.0.0.1/",
        ])
    func refused(url: String) async throws {
        try await TestDatabase.with(.sqlite) { database in
            let (wire, outside) = (Way(), Way())
            let heard = try await sent(to: url, base: nil, wire, outside, in: database)
            #expect(heard.failure?.kind == .refused && heard.failure?.effect == Failure.Effect.none)
            #expect(wire.urls.isEmpty && outside.urls.isEmpty)
        }
    }

    @Test("that lead to a private address end the call, and nothing was sent")
    func inward() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let outside = Way(.refusedAddress("10.0.0.1 is private."))
            let heard = try await sent(
                to: "https://up.shop.example/", base: nil, Way(), outside, in: database)
            #expect(heard.failure?.kind == .refused && heard.failure?.effect == Failure.Effect.none)
            #expect(outside.urls.count == 1)
        }
    }
}

/// Posts once; where nobody heard it, looks at the list twice, a listing's lag apart.
struct ShopSteps: Steps, Equatable {
    typealias Subject = Repetition?
    typealias Outcome = String
    static let kind = "shop.post"
    static let version = 1
    static let lag = Duration.minutes(2)

    enum Stage: Equatable {
        case post
        case look(since: Timestamp?, times: Int64)
        case done
    }
    /// How a post is made safe to repeat; nil where nothing does.
    let key: Repetition?
    var stage = Stage.post

    init(_ key: Repetition?) { self.key = key }
    var again: ShopSteps { ShopSteps(key) }

    func next(at now: Timestamp) -> Next<ShopSteps> {
        switch stage {
        case .post:
            let call = Outgoing(.post, "/posts", json: ["text": "rye"], repeating: key ?? .never)
            return .call(
                StepCall(call, ifUnclear: at(.look(since: nil, times: 0))) { _, _ throws(Unreadable) in at(.done) })
        case .look(let since, let times):
            guard times < 2 else { return .unclear(Unclear("Is it there?")) }
            if let since, since + Self.lag > now { return .wait(until: since + Self.lag, then: self) }
            return .call(
                StepCall(Outgoing(.get, "/posts")) { answer, now throws(Unreadable) in
                    if answer.body.elementsEqual("1".utf8) { return at(.done) }
                    return at(.look(since: now, times: times + 1))
                })
        case .done: return .finish("done")
        }
    }
    private func at(_ stage: Stage) -> ShopSteps {
        var copy = self
        copy.stage = stage
        return copy
    }

    var saved: JSON {
        switch stage {
        case .post: ["stage": "post"]
        case .look(let since, let times): ["stage": "look", "since": JSON(since), "times": JSON(times)]
        case .done: ["stage": "done"]
        }
    }
    init(saved: JSON, of key: Repetition?) throws(Unreadable) {
        self.key = key
        switch saved["stage"]?.text {
        case "post": stage = .post
        case "look":
            stage = .look(
                since: saved["since"]?.text.flatMap(Timestamp.init(rfc3339:)), times: saved["times"]?.integer ?? 0)
        case "done": stage = .done
        default: throw Unreadable("no stage")
        }
    }
}

/// The shop's own side: what it has, and how late it lists.
final class ShopWire: StreamWire {
    private struct Lost: Error {}
    private struct State {
        var posts: [Timestamp] = []
        var keys: Set<String> = []
        var calls: [String] = []
        /// Of the first post: whether its answer gets lost, and whether it took effect.
        var loses: Bool?
        /// So many posts after it are refused: too many.
        var refuses: Int
    }
    private let state: Mutex<State>
    private let clock: SleepersClock
    private let listing: Duration?

    init(_ clock: SleepersClock, listing: Duration?, loses: Bool? = nil, refuses: Int = 0) {
        self.clock = clock
        self.listing = listing
        state = Mutex(State(loses: loses, refuses: refuses))
    }
    var posts: Int { state.withLock { $0.posts.count } }
    var keys: Set<String> { state.withLock { $0.keys } }

    func send(_ request: StreamRequest, within deadline: Duration) async throws -> StreamAnswer {
        try request.permit?.check()
        let now = clock.now
        let (body, isLost) = state.withLock { state -> (String?, Bool) in
            guard request.method == .post else {
                let listed = state.posts.filter { post in listing.map { post + $0 <= now } ?? false }
                return (listed.isEmpty ? "0" : "1", false)
            }
            let key = request.headers["Idempotency-Key"]
            let isNew = key.map { state.keys.insert($0).inserted } ?? true
            if let applied = state.loses {
                state.loses = nil
                if applied { state.posts.append(now) } else if let key { state.keys.remove(key) }
                return ("", true)
            }
            if state.refuses > 0 {
                state.refuses -= 1
                return (nil, false)
            }
            if isNew { state.posts.append(now) }
            return ("", false)
        }
        if isLost { throw Lost() }
        guard let body else { return StreamAnswer(status: 429, headers: []) { _ in } }
        return StreamAnswer(status: 200, headers: []) { take in try await take(ByteBuffer(string: body)) }
    }
}

@Suite("Steps, whatever happens to processes and networks")
struct StepRunnerTests {
    /// How late the shop lists; nil for never.
    enum Listing: CaseIterable {
        case atOnce, minuteLate, never
        var lag: Duration? {
            switch self {
            case .atOnce: .zero
            case .minuteLate: .minutes(1)
            case .never: nil
            }
        }
    }

    private struct Rig: Sendable {
        let database: any Database
        let clock: SleepersClock
        let ids: Identifiers
        let wire: ShopWire
        let key: Repetition?
        let id: String
        private let vault = Vault(keyring: Keyring([(id: "k1", secret: Secret([UInt8](repeating: 5, count: 32)))]))

        init(_ database: any Database, _ clock: SleepersClock, _ wire: ShopWire, key: Repetition? = nil) async throws {
            (self.database, self.clock, self.wire, self.key) = (database, clock, wire, key)
            ids = Identifiers(now: { clock.now })
            let (id, now) = (ids.make(TargetKind.self).text, clock.now)
            self.id = id
            let state = try StepVault.seal(ShopSteps(key), of: id, vault: vault)
            let job = NewJob(
                id: ids.make(), kind: "shop", lane: Lane(id, .publishing), dueAt: now, createdAt: now, input: [],
                uniqueKey: id)
            try await database.write("work") { session in
                try session.addWork(id, state, at: now)
                try session.enqueue([job])
            }
        }

        /// One run on a node that may die; then its session is revoked and its job is free again.
        func run(_ mortal: Mortal? = nil) async throws -> String {
            let (node, now) = (ids.make(NodeKind.self), clock.now)
            let jobs = try await database.write("claim") { session in
                try session.openNode(node, host: "h", process: 1, program: "t", at: now)
                _ = try session.promoteScheduled(10, at: now)
                _ = try session.wakeForgottenLanes(10)
                return try session.claim(1, pools: [2], for: node, at: now)
            }
            let job = try #require(jobs.first)
            defer { clock.advance(.seconds(1)) }
            let ending: StepEnd<ShopSteps>
            do {
                ending = try await runner(job, mortal).run(try #require(try await work()))
                try mortal?.checkLife()
            } catch is Mortal.Died {
                let ended = EndedJob(job: job, end: .postponed(to: clock.now), at: clock.now)
                try await database.write("reclaim") { _ = try $0.complete([ended]) }
                return "died"
            }
            let word: String
            var end = JobEnd.postponed(to: clock.now)
            switch ending {
            case .finished(let outcome, _): (word, end) = (outcome, .succeeded)
            case .unclear: (word, end) = ("unclear", .succeeded)
            case .failed(let failure): (word, end) = ("failed \(failure.message)", .succeeded)
            case .unseen(let failure): (word, end) = ("unseen \(failure.message)", .succeeded)
            case .waits(let until): (word, end) = ("waits", .postponed(to: until))
            case .held, .failing, .gone: word = "again"
            }
            let ended = EndedJob(job: job, end: end, at: clock.now)
            try await database.write("end") { _ = try $0.complete([ended]) }
            if case .waits(let until) = ending { clock.advance(to: until) }
            return word
        }

        func work() async throws -> WorkRow? { try await database.read("work") { [id] in try $0.work(id) } }

        private func runner(_ job: ClaimedJob, _ mortal: Mortal?) -> StepRunner<ShopSteps> {
            let time = clock.source
            let traffic = Traffic(
                quotas: Quotas(
                    book: QuotaBook([]), limiter: Limiter(time: time, lastAlive: nil), keeper: nil, isShared: false,
                    node: { "n" }, time: time, logger: .quiet),
                circuits: Circuits(database: database, time: time, logger: .quiet),
                recorder: CallRecorder(database: database, metrics: Metrics(), time: time, logger: .quiet), ids: ids,
                time: time)
            let way: any StreamWire = mortal.map { MortalStreamWire(real: wire, mortal: $0) } ?? wire
            let caller = ConnectionCaller(
                platforms: ["shop": .init(SampleShop())], traffic: traffic, wire: way, outside: way
            ) { _, _ in Proxying.Credential(token: Secret("t"), version: 1) }
            return StepRunner(
                database: mortal.map { MortalDatabase(real: database, mortal: $0) } ?? database, vault: vault,
                time: time, caller: caller,
                errand: ConnectionCaller.Errand(
                    connection: "c", account: "a", userID: nil, app: "app", provider: "shop", purpose: "test",
                    claimant: Claimant("c", .publishing), subject: id),
                subject: key, job: job, reached: { { _, _, _ in } })
        }

        /// Until it ends.
        func settle() async throws -> String {
            for _ in 0..<12 {
                let word = try await run()
                if ["done", "unclear"].contains(word) || word.hasPrefix("failed") { return word }
            }
            return "never came to rest"
        }
    }

    @Test(
        "a post whose answer is lost is looked up, and never sent again",
        arguments: TestEngine.all, Listing.allCases)
    func lost(engine: TestEngine, listing: Listing) async throws {
        try await TestDatabase.with(engine) { database in
            for applied in [true, false] {
                let clock = SleepersClock()
                let rig = try await Rig(database, clock, ShopWire(clock, listing: listing.lag, loses: applied))
                let word = try await rig.settle()

                #expect(rig.wire.posts == (applied ? 1 : 0))
                // What it lists is found; what it does not, nobody can tell.
                #expect(word == (applied && listing != .never ? "done" : "unclear"))
            }
        }
    }

    @Test(
        "a process that dies anywhere posts once, and only what was perhaps heard by nobody is unknown",
        arguments: TestEngine.all, Listing.allCases)
    func dies(engine: TestEngine, listing: Listing) async throws {
        try await TestDatabase.with(engine) { database in
            // Written down, sent, saved; each with two sides.
            for step in 0..<6 {
                let clock = SleepersClock()
                let rig = try await Rig(database, clock, ShopWire(clock, listing: listing.lag))
                #expect(try await rig.run(Mortal(diesAt: step)) == "died")
                let word = try await rig.settle()

                #expect(rig.wire.posts <= 1, "step \(step)")
                // Before it was written down it is simply done; after its answer was kept, too.
                let isClear = step == 0 || step == 5
                let wasSent = step >= 3
                #expect(
                    word == (isClear || wasSent && listing != .never ? "done" : "unclear"), "step \(step) \(listing)")
                if isClear { #expect(rig.wire.posts == 1, "step \(step)") }
            }
        }
    }

    @Test("a key makes it safe to send again, and a person is not needed", arguments: TestEngine.all)
    func keyed(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            for step in 0..<6 {
                let clock = SleepersClock()
                let rig = try await Rig(
                    database, clock, ShopWire(clock, listing: nil), key: .withKey(header: "Idempotency-Key"))
                #expect(try await rig.run(Mortal(diesAt: step)) == "died")

                #expect(try await rig.settle() == "done", "step \(step)")
                #expect(rig.wire.posts == 1 && rig.wire.keys == ["\(rig.id)/0/0"], "step \(step)")
            }
        }
    }

    @Test("a refusal says nothing of the call before it that nobody heard: the key stays", arguments: TestEngine.all)
    func keyStays(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let clock = SleepersClock()
            let wire = ShopWire(clock, listing: nil, loses: true, refuses: 2)
            let rig = try await Rig(database, clock, wire, key: .withKey(header: "Idempotency-Key"))

            #expect(try await rig.settle() == "done")
            #expect(rig.wire.posts == 1 && rig.wire.keys == ["\(rig.id)/0/0"])
        }
    }

    @Test("a key that the platform may have forgotten counts no more")
    func oldKey() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let clock = SleepersClock()
            let rig = try await Rig(
                database, clock, ShopWire(clock, listing: .zero),
                key: .withKey(header: "Idempotency-Key", remembered: .hours(24)))
            #expect(try await rig.run(Mortal(diesAt: 3)) == "died")
            clock.advance(.hours(13))

            // Looked up instead.
            #expect(try await rig.settle() == "done")
            #expect(rig.wire.posts == 1)
        }
    }
}
