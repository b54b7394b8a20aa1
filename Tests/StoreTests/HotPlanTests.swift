import Kit
import TestSupport
import Testing

@testable import Store

/// A statement that reads a whole table is well while the table is small, and stops the service when it is not.
@Suite("Hot statements find their rows by an index")
struct HotPlanTests {
    private let ids = Identifiers(now: { .testNow })

    @Test("work: enqueued, claimed, ended, put back, promoted, taken from the dead")
    func jobs() async throws {
        try await plans { session in
            let node: ID<NodeKind> = ids.make()
            try session.openNode(node, host: "h", process: 1, program: "p", at: .testNow)
            try session.enqueue((0..<10).map { _ in job() })
            let claimed = try session.claim(8, pools: [2], for: node, at: .testNow)
            try #require(claimed.count == 8)
            let ends: [JobEnd] = [
                .succeeded, .succeeded, .succeeded, .cancelled(reason: "r"), .dead(reason: "r"),
                .retry(at: .testNow, error: "e"), .released, .deferred(to: .testNow, reason: "r"),
            ]
            try #require(
                try session.complete(zip(claimed, ends).map { EndedJob(job: $0, end: $1, at: .testNow) })
                    == Array(repeating: true, count: 8))
            #expect(throws: Fenced.self) { try session.hold(claimed[0]) }
            _ = try session.promoteScheduled(100, at: .testNow)
            _ = try session.nextScheduled()
            _ = try session.hasDueLane(at: .testNow)
            _ = try session.reclaim(100, deathsMax: 3, at: .testNow)
            _ = try session.forgottenLanes(100)
            try session.gate(Lane("u", .event), until: .testNow, by: "quota", reason: "r")
        }
    }

    @Test("events by their values: indexed, found, counted, dropped")
    func eventTerms() async throws {
        try await plans { session in
            try session.beginEventTerms(key: "k1")
            _ = try session.eventsToIndex(at: .testNow, limit: 10, bytesMax: 1000)
            let content = FindableContent(id: ids.make(), provider: "p", bytes: [], checksum: 1)
            try session.index(
                UnindexedEvents(contents: [content], count: 1, from: "", to: content.id.text), key: "k1", terms: [[1]])
            var filter = EventFilter()
            filter.term = 1
            _ = try session.events(filter, ListPage(limit: 10))
            _ = try session.search(filter, before: nil, since: nil, limit: 10)
            _ = try session.countEvents(withTerm: 1, atMost: 10)
            try session.dropEventTerms(of: ["evt_1"])
        }
    }

    @Test("connections: found, kept, refreshed, swept, listed")
    func connections() async throws {
        try await plans { session in
            let (id, node): (ID<ConnectionKind>, ID<NodeKind>) = (ids.make(), ids.make())
            let new = NewConnection(
                id: id, userID: "u", provider: "p", app: ids.make(), openID: "o", name: nil, scopes: [], wanted: [],
                isPending: false)
            let row = try session.connect(new, at: .testNow)
            let credential = NewCredential(
                version: 1, sealed: [1], keyID: "k", obtainedAt: .testNow, expiresAt: .testNow, refreshAt: .testNow,
                refreshExpiresAt: .testNow, endsAt: .testNow)
            try #require(try session.keep(credential, of: row, replacing: nil, at: .testNow))
            _ = try session.holdConnection(id)
            _ = try session.holdCredential(of: id)
            _ = try session.connection(of: "u", to: "o", at: "p", through: new.app)
            _ = try session.isShared(row)
            let fence = try session.beginRefresh(of: id, by: node, at: .testNow)
            let note = RefreshFailureNote(pausedUntil: .testNow, refreshAt: .testNow)
            _ = try session.endRefresh(of: id, fence: fence, version: 1, note)
            _ = try session.dueForRefresh(10, at: .testNow)
            _ = try session.endingConnections(before: .testNow, limit: 10)
            _ = try session.endedConnections(at: .testNow, limit: 10)
            _ = try session.unconfirmedConnections(since: .testNow, limit: 10)
            _ = try session.revoking(10)
            _ = try session.connectSession(link: [1])
            _ = try session.connectAttempt([1])
            _ = try session.use([1], at: .testNow)
            _ = try session.sweepConnectSessions(before: .testNow, 10)
            _ = try session.connections(to: "o", at: "p", through: new.app)
            _ = try session.ownAccounts(of: "u")
        }
    }

    @Test("connections: listed by every filter, counted, each by an index")
    func connectionLists() async throws {
        var filters = [ConnectionFilter()]
        let fill: [(inout ConnectionFilter) -> Void] = [
            { $0.provider = "p" }, { $0.userID = "u" }, { $0.app = "a" },
        ]
        for change in fill {
            filters += filters.map { filter in
                var filter = filter
                change(&filter)
                return filter
            }
        }
        for state in ConnectionState.allCases {
            var filter = ConnectionFilter()
            filter.state = state
            filters.append(filter)
        }
        try await plans { [filters] session in
            for filter in filters {
                _ = try session.connections(filter, ListPage(limit: 50))
                _ = try session.connections(filter, ListPage(limit: 50, ascending: true, after: "conn_1"))
                _ = try session.connectionsBySoonest(filter, limit: 101)
            }
            _ = try session.connectionCounts()
        }
        try await plans(inOrder: true) { [filters] session in
            _ = try session.connections(ConnectionFilter(), ListPage(limit: 50))
            _ = try session.connectionsBySoonest(ConnectionFilter(), limit: 101)
            for filter in filters where filter.state != nil {
                _ = try session.connections(filter, ListPage(limit: 50))
            }
        }
    }

    @Test("changes: written, placed, followed, looked up")
    func changes() async throws {
        try await plans { session in
            try session.append((0..<3).map { _ in change() })
            _ = try session.sequence(100)
            _ = try session.changes(after: 0, limit: 100)
            _ = try session.changes(at: [1, 2])
            _ = try session.changes(about: "user_1", limit: 10)
            _ = try session.feedHead()
        }
    }

    @Test("what is old: deleted in small steps", arguments: Retained.allCases)
    func retention(what: Retained) async throws {
        try await plans { session in
            _ = try session.expire(what, limits: RetentionLimits(), at: .testNow, limit: 100)
            _ = try session.expireIdentities(of: ids.make(), life: .days(30), at: .testNow, limit: 100)
            _ = try session.trimRejected(of: "p", keeping: 10)
        }
    }

    @Test("the dashboard: searches by every filter, history, what needs a person, what comes next")
    func dashboard() async throws {
        var filters = [EventFilter()]
        let fill: [(inout EventFilter) -> Void] = [
            { $0.provider = "p" }, { $0.type = "t" }, { $0.userID = "u" }, { $0.connectionID = "c" },
            { $0.state = "failed" }, { $0.state = "waiting_review" }, { $0.state = "applied" },
        ]
        for change in fill {
            filters += filters.map { filter in
                var filter = filter
                change(&filter)
                return filter
            }
        }
        try await plans { [filters] session in
            for filter in filters {
                _ = try session.search(filter, before: ids.make(), since: .testNow, limit: 51)
                _ = try session.search(filter, before: nil, since: nil, limit: 51)
                _ = try session.count(filter, after: ids.make(), atMost: 100)
            }
            _ = try session.traffic(minutes: 2, before: .testNow, of: ["p"])
            _ = try session.refused(of: ["p"], before: ids.make(), since: .testNow, limit: 51)
            try session.open(
                NewReview(
                    id: ids.make(), kind: "k", subject: "s", question: "?", evidence: "{}", choices: ["a"],
                    provider: "p", openedAt: .testNow, changeID: ids.make()))
            _ = try session.attention()
            _ = try session.attentionList()
            _ = try session.operatorSession(hash: [1], at: .testNow)
            _ = try session.operatorSessions(of: ids.make(), at: .testNow, limit: 50)
            _ = try session.signInFailures("k")
            _ = try session.sweepOperators(100, at: .testNow)
            _ = try session.lastChange()
            _ = try session.changes(written: 1, limit: 10)
        }
    }

    @Test("calls: by each filter, by its own index")
    func calls() async throws {
        let fill: [(String, (inout CallFilter) -> Void)] = [
            ("calls_provider (provider=?", { $0.provider = "p" }), ("calls_purpose (purpose=?", { $0.purpose = "p" }),
            ("calls_connection (connection_id=?", { $0.connection = "c" }),
            ("calls_user (user_id=?", { $0.userID = "u" }),
            ("calls_subject (subject=?", { $0.subject = "s" }),
            ("calls_correlation (correlation=?", { $0.correlation = "c" }),
            ("calls_failed", { $0.outcome = "failed" }), ("calls_failed", { $0.outcome = "throttled" }),
        ]
        for (index, change) in fill {
            var filter = CallFilter()
            change(&filter)
            let after = ids.make(CallKind.self).text
            for page in [ListPage(limit: 20), ListPage(limit: 20, after: after), ListPage(limit: 20, ascending: true)] {
                try await plans(reading: index) { [filter] in _ = try $0.calls(filter, page) }
            }
        }
        try await plans(reading: "calls_user (user_id=?") { _ = try $0.calls(for: "u", after: "call_", limit: 5) }
    }

    @Test("the radar: calls and events are counted behind the last, uses read of one ending")
    func radar() async throws {
        let (from, until) = (Timestamp.testNow - .days(30), Timestamp.testNow + .days(1))
        try await plans { session in
            var call = CallRow(
                id: ids.make(), provider: "p", purpose: "p", method: "GET", host: "h", path: "/v1/x", at: .testNow)
            call.connection = "conn_1"
            try session.insert([call])
            let counted = try session.countCalls(to: "p", for: "p/e", from: from, until: until, limit: 10) { _ in true }
            try #require(counted == 1)
            _ = try session.countEvents("t", of: "p", for: "p/e", from: from, until: until, limit: 10)
            #expect(try session.use(of: "p/e", at: .testNow).uses == 1)
            #expect(try session.users(of: "p/e", at: .testNow, limit: 20).count == 1)
        }
    }

    @Test("trace: everything about a subject, by an index of its own")
    func story() async throws {
        let indices = ["jobs_subject", "jobs_done_subject", "reviews_subject", "alerts_subject", "changes_subject"]
        try await plans(through: indices) { session in
            try session.enqueue([job()])
            try session.append([change()])
            _ = try session.story(of: "user_1", at: .testNow)
            _ = try session.story(of: "evt_1", at: .testNow)
            let live = try #require(try session.rows("SELECT id FROM jobs") { try $0.text() }.first)
            _ = try #require(try session.story(of: live, at: .testNow))
        }
    }

    // MARK: Plans

    /// Tables of a few rows, whatever happens; `feed_pending` and `writes` are PostgreSQL's own and empty here.
    private static let small = [
        "lane_clocks", "feed_head", "nodes", "n", "schedules", "apps", "feed_pending", "p", "writes", "endpoints",
    ]

    /// Runs the statements of `body`, and explains each.
    ///
    /// - Parameters:
    ///   - indices: each must carry a search by its first column.
    ///   - index: one that each statement reads, and how its search begins.
    ///   - inOrder: whether rows must come as they are wanted: what is sorted is read to its end first.
    private func plans(
        through indices: [String] = [], reading index: String? = nil, inOrder: Bool = false,
        _ body: (Session) throws -> Void
    ) async throws {
        try await TestDatabase.withAddress(.sqlite) { url in
            let path = String(url.dropFirst("sqlite:".count))
            let database = try SQLiteDatabase(path: path, owner: true, logger: .quiet)
            _ = try await database.migrate(program: "test", at: .testNow)
            await database.close()

            let connection = try SQLiteConnection(path: path, readOnly: false)
            var seen: [(text: String, cells: [Cell])] = []
            let transaction = Transaction(
                placeholder: "?",
                execute: { text, cells in
                    seen.append((text, cells))
                    return try connection.run(text, cells)
                }, changed: { connection.changedRows })
            try body(Session(dialect: .sqlite, transaction: transaction))

            #expect(!seen.isEmpty)
            var steps: [String] = []
            for (text, cells) in seen {
                let plan = try connection.run("EXPLAIN QUERY PLAN " + text, cells)
                steps += Self.steps(of: plan)
                let scanned = Self.tablesScanned(by: plan)
                #expect(scanned.allSatisfy(Self.small.contains), "scans \(scanned): \(text)")
                let sorts = Self.steps(of: plan).contains { $0.contains("TEMP B-TREE") }
                #expect(!inOrder || !sorts, "sorts: \(text)")
                if let index {
                    #expect(Self.steps(of: plan).contains { $0.contains("INDEX \(index)") }, "\(plan): \(text)")
                }
            }
            for index in indices {
                let isSearched = steps.contains { $0.hasPrefix("SEARCH ") && $0.contains("INDEX \(index) (subject=?") }
                #expect(isSearched, "nothing is searched for by \(index)")
            }
        }
    }

    private static func steps(of plan: [[Cell]]) -> [String] {
        plan.compactMap { step in if case .text(let detail)? = step.last { detail } else { nil } }
    }

    /// The tables that a plan reads from end to end: scans that use no index, of nothing that the plan made itself.
    private static func tablesScanned(by plan: [[Cell]]) -> [String] {
        let steps = steps(of: plan)
        func names(after word: String) -> [String] {
            steps.filter { $0.hasPrefix(word) && !$0.contains("USING") && !$0.contains("CONSTANT ROW") }.map {
                String($0.dropFirst(word.count).prefix { $0 != " " })
            }
        }
        let made = Set(["CO-ROUTINE ", "MATERIALIZE ", "RECURSIVE "].flatMap(names)).union([
            "waiting", "w", "seen", "cost",
        ])
        return names(after: "SCAN ").filter { !made.contains($0) && !$0.hasPrefix("(") }
    }

    // MARK: Rows

    private func job() -> NewJob {
        NewJob(
            id: ids.make(), kind: "k", lane: Lane("u", .event), dueAt: .testNow, createdAt: .testNow, input: [1],
            subject: "evt_1")
    }

    private func change() -> NewChange {
        NewChange(id: ids.make(), type: "t", subject: "user_1", occurredAt: .testNow, data: Array("{}".utf8))
    }
}
