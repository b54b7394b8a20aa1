import Kit
import TestSupport
import Testing

@testable import Store

@Suite("Endpoints, on both engines")
struct EndpointTests {
    private static let ids = Identifiers(now: { .testNow })

    @Test("made, changed, found, removed", arguments: TestEngine.all)
    func life(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let new = Self.new()
            let made = try await database.write("make") { try $0.insert(new) }
            #expect(made.state == .active && made.types == ["payment.*"] && made.version == 1)

            let patched = try await database.write("patch") {
                try $0.update(new.id, EndpointPatch(description: .some(nil), types: [], state: .disabled), at: .testNow)
            }
            #expect(patched?.version == 2 && patched?.types == [] && patched?.stateReason == "by hand")
            await #expect(throws: StaleVersion(found: 2)) {
                try await database.write("patch") { try $0.update(new.id, EndpointPatch(), ifVersion: 1, at: .testNow) }
            }
            let disabled = try await database.read("heads") { try $0.endpointHeads(10) }
            #expect(disabled.isEmpty)
            let listed = try await database.read("list") { try $0.endpoints(limit: 10) }
            #expect(listed.map(\.id) == [new.id])
            let removed = try await database.write("delete") { try $0.deleteEndpoint(new.id) }
            let again = try await database.write("delete") { try $0.deleteEndpoint(new.id) }
            #expect(removed && !again)
            #expect(try await database.read("one") { try $0.endpoint(new.id) } == nil)
        }
    }

    @Test("an endpoint begins at the head of the feed", arguments: TestEngine.all)
    func begins(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            try await Self.happen(7, in: database)
            let new = Self.new()
            let made = try await database.write("make") { try $0.insert(new) }

            #expect(made.position == 7)
        }
    }

    @Test("the old secret signs until its grace has passed", arguments: TestEngine.all)
    func rotated(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let new = Self.new()
            try await database.write("make") { _ = try $0.insert(new) }
            let next = Self.secret(of: new.id)
            let until = Timestamp.testNow + .hours(24)
            let rotated = try await database.write("rotate") { try $0.rotate(to: next, othersUntil: until) }
            #expect(rotated?.version == 2)

            let now = try await database.read("now") { try $0.secrets(of: new.id, at: .testNow).map(\.id) }
            #expect(now == [next.id, new.secret.id])
            let later = try await database.read("later") { try $0.secrets(of: new.id, at: until).map(\.id) }
            #expect(later == [next.id])
            _ = try await database.write("sweep") { try $0.sweepEndpoints(100, at: until + .seconds(1)) }
            let kept = try await database.read("kept") { try $0.secrets(of: new.id, at: .testNow).map(\.id) }
            #expect(kept == [next.id])
        }
    }

    @Test("progress is recorded by the lease's holder only, all or nothing, and once", arguments: TestEngine.all)
    func fenced(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            try await Self.happen(3, in: database)
            let (new, node, other) = (Self.new(), Self.ids.make(NodeKind.self), Self.ids.make(NodeKind.self))
            try await database.write("make") { _ = try $0.insert(new) }
            let fence = try await database.set("take", in: .work) {
                try $0.takeLease(Session.endpointLease(new.id), for: node, at: .testNow)
            }
            let held = try #require(fence)
            let foreign = Self.progress(of: new.id, node: other, fence: held, position: 9)
            #expect(try await database.set("record", in: .work) { try $0.record(foreign)?.version } == nil)
            let stale = Self.progress(of: new.id, node: node, fence: held - 1, position: 9)
            #expect(try await database.set("record", in: .work) { try $0.record(stale)?.version } == nil)
            #expect(try await database.read("one") { try $0.endpoint(new.id)?.position } == 3)

            let mine = Self.progress(of: new.id, node: node, fence: held, position: 5)
            for repeated in [false, true, true] {
                let recorded = try await database.set("record", in: .work) {
                    try $0.record(mine, repeated: repeated)?.version
                }
                #expect(recorded == 1)
            }
            let (endpoint, attempts) = try await database.read("one") {
                (try $0.endpoint(new.id), try $0.attempts(at: new.id, limit: 10))
            }
            #expect(endpoint?.position == 5 && endpoint?.state == .failing && attempts.count == 1)
            // Its changes were told once.
            if engine == .postgres { _ = try await database.set("place", in: .work) { try $0.sequence(100) } }
            #expect(try await database.read("head") { try $0.feedHead() } == 4)
        }
    }

    @Test("a verdict from old settings is void; what was tried is kept", arguments: TestEngine.all)
    func voidVerdict(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let (new, node) = (Self.new(), Self.ids.make(NodeKind.self))
            try await database.write("make") { _ = try $0.insert(new) }
            let fence = try await database.set("take", in: .work) {
                try $0.takeLease(Session.endpointLease(new.id), for: node, at: .testNow)
            }
            _ = try await database.write("patch") {
                try $0.update(new.id, EndpointPatch(state: .disabled), at: .testNow)
            }
            let progress = Self.progress(of: new.id, node: node, fence: fence ?? 0, position: 1)
            let recorded = try await database.set("record", in: .work) { try $0.record(progress)?.version }

            #expect(recorded == 2)
            let (endpoint, attempts) = try await database.read("one") {
                (try $0.endpoint(new.id), try $0.attempts(at: new.id, limit: 10))
            }
            #expect(endpoint?.state == .disabled && attempts.count == 1)
        }
    }

    @Test("of one key the first is let go, and the next when it is done", arguments: TestEngine.all)
    func released(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let (new, node) = (Self.new(orderedBy: .user), Self.ids.make(NodeKind.self))
            try await database.write("make") { _ = try $0.insert(new) }
            let fence = try await database.set("take", in: .work) {
                try $0.takeLease(Session.endpointLease(new.id), for: node, at: .testNow)
            }
            let held = (5...7).map {
                DueChange(
                    position: Int64($0), orderingKey: "anna", attempts: 0, dueAt: .testNow, firstAt: nil, isHeld: true)
            }
            func record(_ progress: EndpointProgress) async throws -> RecordedProgress? {
                try await database.set("record", in: .work) { try $0.record(progress) }
            }
            func due() async throws -> [Int64] {
                try await database.read("due") { try $0.due(of: new.id, at: .testNow, limit: 9).map(\.position) }
            }
            let first = try await record(
                Self.progress(of: new.id, node: node, fence: fence ?? 0, position: 7, later: held, attempts: []))
            #expect(first?.keysDue == ["anna"])
            #expect(try await due() == [5])
            for position in 5...7 {
                let recorded = try await record(
                    Self.progress(
                        of: new.id, node: node, fence: fence ?? 0, position: 7, done: [Int64(position)], attempts: []))
                #expect(try await due() == (position < 7 ? [Int64(position + 1)] : []))
                #expect(recorded?.keysDue == (position < 7 ? ["anna"] : []))
            }
        }
    }

    @Test(
        "recording and a replay from elsewhere, side by side, leave exactly one of a key let go",
        arguments: TestEngine.all)
    func racing(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let ids = try await Self.happen(40, in: database, user: "anna")
            let (new, node) = (Self.new(orderedBy: .user), Self.ids.make(NodeKind.self))
            try await database.write("make") { _ = try $0.insert(new) }
            let fence = try await database.set("take", in: .work) {
                try $0.takeLease(Session.endpointLease(new.id), for: node, at: .testNow)
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (number, id) in ids.enumerated() {
                    group.addTask {
                        _ = try await database.set("resend", in: .work) { try $0.resend(id, to: new.id, at: .testNow) }
                    }
                    guard number % 4 == 0 else { continue }
                    group.addTask {
                        let done = try await database.read("due") { try $0.due(of: new.id, at: .testNow, limit: 1) }
                        let progress = Self.progress(
                            of: new.id, node: node, fence: fence ?? 0, position: 40, done: done.map(\.position),
                            attempts: [])
                        _ = try await database.set("record", in: .work) { try $0.record(progress) }
                    }
                }
                try await group.waitForAll()
            }
            let (free, left) = try await database.read("left") {
                (try $0.due(of: new.id, at: .testNow, limit: 99), try $0.countDue(of: new.id, limit: 99))
            }
            #expect(left > 0 && free.count == 1)
        }
    }

    // MARK: -

    private static func secret(of endpoint: ID<EndpointKind>) -> NewEndpointSecret {
        NewEndpointSecret(
            id: ids.make(), endpoint: endpoint, sealed: [1, 2], keyID: "k", publicKey: nil, createdAt: .testNow)
    }

    private static func new(orderedBy: Endpoint.Order = .none) -> NewEndpoint {
        let id = ids.make(EndpointKind.self)
        return NewEndpoint(
            id: id, url: "https://a.example/", description: "mine", types: ["payment.*"], orderedBy: orderedBy,
            signedBy: .hmac, secret: secret(of: id), createdAt: .testNow)
    }

    private static func progress(
        of id: ID<EndpointKind>, node: ID<NodeKind>, fence: Int64, position: Int64, later: [DueChange] = [],
        done: [Int64] = [], attempts: [Attempt]? = nil
    ) -> EndpointProgress {
        let attempt = Attempt(
            id: ids.make(), endpoint: id, position: position, change: ids.make(), type: "t.t", number: 1, at: .testNow,
            latency: .milliseconds(3), outcome: .failed, status: 500, problem: nil, answer: [0, 1], nextAt: .testNow)
        let told = NewChange(
            id: ids.make(), type: "endpoint.failing", subject: id.text, occurredAt: .testNow, data: Array("{}".utf8))
        return EndpointProgress(
            endpoint: id, node: node, fence: fence, position: position, attempts: attempts ?? [attempt], later: later,
            done: done,
            verdict: EndpointVerdict(
                version: 1, state: .failing, reason: nil, health: EndpointHealth(failingSince: .testNow),
                changes: attempts == nil ? [told] : []),
            markers: [], at: .testNow)
    }

    @discardableResult
    private static func happen(
        _ count: Int, in database: any Database, user: String? = nil
    ) async throws -> [ID<ChangeKind>] {
        let changes = (0..<count).map { _ in
            NewChange(
                id: ids.make(), type: "payment.failed", subject: nil, userID: user, occurredAt: .testNow,
                data: Array("{}".utf8))
        }
        try await database.write("happen") { try $0.append(changes) }
        if database.dialect.engine == .postgres {
            _ = try await database.set("place", in: .work) { try $0.sequence(500) }
        }
        return changes.map(\.id)
    }
}
