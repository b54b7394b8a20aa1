import Kit
import NIOCore
import Synchronization
import TestSupport
import Testing
import TikTok

@testable import Engine
@testable import Store

/// A platform's lists in memory, written after its documents: videos newest first by a cursor of milliseconds, a
/// profile, lookups by ids.
final class Shelf: Wire {
    struct Video: Sendable {
        let id: String
        let ms: Int64
        var likes: Int64 = 1
        var isListed = true
    }
    struct State: Sendable {
        var videos: [Video] = []
        var profile = #"{"open_id":"open-1","display_name":"Mira","follower_count":10,"video_count":3}"#
        /// Bodies that come instead of the next answers, with their status.
        var instead: [(status: Int, body: String)] = []
        /// What was asked: `list`, `list 1795860000000`, `query a,b`, `info`.
        var asked: [String] = []
        var tokens: [String] = []
        var perPage = 20
        /// Called with each question before it is answered.
        var before: (@Sendable (inout State, String) throws -> Void)?
    }
    private let state = Mutex(State())

    func edit(_ change: (inout State) throws -> Void) rethrows { try state.withLock { try change(&$0) } }
    var asked: [String] { state.withLock { $0.asked } }
    var tokens: [String] { state.withLock { $0.tokens } }
    var lists: [String] { asked.filter { $0.hasPrefix("list") } }

    /// `count` videos, one a minute, the newest at `newest`.
    static func videos(_ count: Int, newest: Int64 = 1_795_850_000) -> [Video] {
        (0..<count).map { number in
            Video(id: String(7_400_000_000_000_000_000 - number), ms: (newest - Int64(number) * 60) * 1000)
        }
    }

    func send(_ request: WireRequest, within deadline: Duration) async throws -> Answer {
        let body = (try? JSON.parse(request.body)) ?? .null
        let token = request.authorization.reveal { String(decoding: $0, as: UTF8.self) }
        return try state.withLock { state in
            let question = Self.question(request.url, body)
            state.asked.append(question)
            state.tokens.append(token)
            try state.before?(&state, question)
            if !state.instead.isEmpty {
                let other = state.instead.removeFirst()
                return Answer(status: other.status, headers: [], body: Array(other.body.utf8))
            }
            let data = Self.data(question, body, state)
            let text = #"{"data":\#(data),"error":{"code":"ok","message":"","log_id":"l"}}"#
            return Answer(status: 200, headers: [], body: Array(text.utf8))
        }
    }

    private static func question(_ url: String, _ body: JSON) -> String {
        if url.contains("/user/info/") { return "info" }
        if url.contains("/video/query/") {
            return "query " + (body["filters", "video_ids"]?.elements ?? []).compactMap(\.text).joined(separator: ",")
        }
        return "list" + (body["cursor"]?.numberText.map { " " + $0 } ?? "")
    }

    private static func data(_ question: String, _ body: JSON, _ state: State) -> String {
        if question == "info" { return #"{"user":\#(state.profile)}"# }
        if question.hasPrefix("query") {
            let ids = (body["filters", "video_ids"]?.elements ?? []).compactMap(\.text)
            let found = state.videos.filter { ids.contains($0.id) }
            return #"{"videos":[\#(found.map(shown).joined(separator: ","))]}"#
        }
        let before = body["cursor"]?.integer ?? .max
        let all = state.videos.filter { $0.ms < before && $0.isListed }.sorted { $0.ms > $1.ms }
        let page = all.prefix(state.perPage)
        return """
            {"videos":[\(page.map(shown).joined(separator: ","))],"cursor":\(page.last?.ms ?? before),\
            "has_more":\(all.count > page.count)}
            """
    }

    private static func shown(_ video: Video) -> String {
        """
        {"id":"\(video.id)","create_time":\(video.ms / 1000),"title":"T","duration":21,"like_count":\(video.likes),\
        "view_count":\(video.likes * 10),"cover_image_url":"https://p16.example/\(video.id)?x=\(video.likes)"}
        """
    }
}

/// A fake that takes and gives whole bodies, where bodies pass.
struct WholeBodies: StreamWire {
    let wire: any Wire

    func send(_ request: StreamRequest, within deadline: Duration) async throws -> StreamAnswer {
        var body: [UInt8] = []
        if case .bytes(let bytes) = request.body { body = bytes }
        let answer = try await wire.send(
            WireRequest(
                method: request.method, url: request.url, headers: request.headers, body: body,
                authorization: request.authorization), within: deadline)
        return StreamAnswer(status: answer.status, headers: answer.headers) { take in
            try await take(ByteBuffer(bytes: answer.body))
        }
    }
}

/// Connections, the workers that sync them, and a clock.
struct SyncRig: Sendable {
    static let app = ID<AppKind>(stored: "app_00000000000000000000000001")

    let database: any Database
    let wire = Shelf()
    let clock = SleepersClock()
    let ids: Identifiers
    let syncs: Syncs

    init(_ database: any Database) {
        self.database = database
        ids = Identifiers(now: { [clock] in clock.now })
        syncs = Syncs(SyncBook([TikTok()]), ids: ids)
    }

    func connect(
        _ user: String = "user-1", account: String = "open-1",
        scopes: [String] = ["user.info.basic", "user.info.stats", "video.list"]
    ) async throws -> ConnectionRow {
        let now = clock.now
        let new = NewConnection(
            id: ids.make(), userID: user, provider: "tiktok", app: Self.app, openID: account, name: nil,
            scopes: scopes, wanted: scopes, isPending: false)
        return try await database.write("connect") { try $0.connect(new, at: now) }
    }

    /// A token that is refused once is followed by another.
    func caller(on database: (any Database)? = nil, wire: (any Wire)? = nil) -> ConnectionCaller {
        let (store, time) = (database ?? self.database, clock.source)
        let traffic = Traffic(
            quotas: Quotas(
                book: QuotaBook([TikTok()]), limiter: Limiter(time: time), keeper: nil, isShared: false,
                node: { "n" }, time: time, logger: .quiet),
            circuits: Circuits(database: store, time: time, logger: .quiet),
            recorder: CallRecorder(database: self.database, metrics: Metrics(), time: .system, logger: .quiet),
            ids: ids, time: time)
        return ConnectionCaller(
            platforms: ["tiktok": .init(TikTok(), base: "https://shelf.example")], traffic: traffic,
            wire: WholeBodies(wire: wire ?? self.wire)
        ) { _, refused in
            Proxying.Credential(token: Secret("act.\((refused ?? 0) + 1)"), version: (refused ?? 0) + 1)
        }
    }

    func workers(
        on database: (any Database)? = nil, wire: (any Wire)? = nil, telling told: Set<String> = []
    ) -> [any JobWorker] {
        let store = database ?? self.database
        let forsaken = ForsakenAccounts(syncs.book, database: store, time: clock.source, logger: .quiet)
        return [
            SyncBeginning(syncs, database: store, time: clock.source, bells: Bells()),
            SyncRunning(
                syncs, caller: caller(on: store, wire: wire), telling: told, database: store, time: clock.source,
                bells: Bells(), logger: .quiet),
            SyncSweep(syncs, forgetting: forsaken, database: store, time: clock.source, bells: Bells()),
            AccountForgetting(forsaken),
        ]
    }

    @discardableResult
    func begin(
        _ connection: ConnectionRow, _ stream: String = "videos", _ reason: SyncRow.Reason = .manual,
        due: Timestamp? = nil
    ) async throws -> SyncRow {
        let (now, ready) = (clock.now, Syncs.Ready(ids))
        let declared = try #require(syncs.book.stream(stream, of: "tiktok"))
        return try await database.write("begin") { [syncs] session in
            guard let fresh = try session.connection(connection.id) else { throw StoreError.conflict }
            return try syncs.begin(declared, of: fresh, reason, due: due, ready, in: session, at: now)
        }
    }

    func sync(_ row: SyncRow) async throws -> SyncRow {
        try #require(try await database.read("sync") { try $0.sync(row.id) })
    }

    /// Begins a run and works until nothing is left to do.
    @discardableResult
    func run(
        _ connection: ConnectionRow, _ stream: String = "videos", _ reason: SyncRow.Reason = .manual,
        telling told: Set<String> = []
    ) async throws -> SyncRow {
        let begun = try await begin(connection, stream, reason)
        try await work(workers(telling: told))
        return try await sync(begun)
    }

    func node() async throws -> ID<NodeKind> {
        let (node, now) = (ids.make(NodeKind.self), clock.now)
        try await database.write("node") { try $0.openNode(node, host: "t", process: 1, program: "t", at: now) }
        return node
    }

    /// Runs what is due, as the runner does; what is to come later comes at once. Answers how many runs there were.
    @discardableResult
    func work(_ workers: [any JobWorker]? = nil, atMost: Int = 200) async throws -> Int {
        let (workers, node) = (workers ?? self.workers(), try await node())
        for count in 0..<atMost {
            let now = clock.now
            try await database.set("promote", in: .work) { _ = try $0.promoteScheduled(100, at: now) }
            let claimed = try await database.set("claim", in: .work) { session in
                try session.claim(1, pools: [0, 1, 2], for: node, at: now)
            }
            guard let job = claimed.first else {
                let next = try await database.read("next") { try $0.nextScheduled() }
                guard let next, next > clock.now else { return count }
                clock.advance(to: next)
                continue
            }
            let worker = try #require(workers.first { $0.kind == job.kind })
            try await end(job, worker)
        }
        Issue.record("it does not come to an end")
        return atMost
    }

    private func end(_ job: ClaimedJob, _ worker: any JobWorker) async throws {
        let end: JobEnd
        do {
            switch try await worker.run(job) {
            case .committed: return
            case .done: end = .succeeded
            case .cancelled(let reason): end = .cancelled(reason: reason)
            }
        } catch let interruption as JobInterruption {
            switch interruption {
            case .gated(let until, _, _):
                clock.advance(to: until)
                end = .released
            case .released: end = .released
            case .postponed(let until): end = .postponed(to: until)
            case .later(let at, let reason): end = .retry(at: at, error: reason)
            case .hopeless(let reason): end = .dead(reason: reason)
            }
        } catch let failure as CallProblem {
            throw failure
        } catch let failure as Failure {
            end = .retry(at: clock.now + .seconds(1), error: failure.message)
        }
        let now = clock.now
        _ = try await database.set("end", in: .work) { try $0.complete([EndedJob(job: job, end: end, at: now)]) }
    }

    // MARK: Looking

    func texts(_ sql: SQL) async throws -> [String] {
        try await database.read("texts") { session in try session.rows(sql) { try $0.text() } }
    }
    func number(_ sql: SQL) async throws -> Int64 {
        try await database.read("number") { session in try session.row(sql) { try $0.integer() } } ?? -1
    }
    func set(_ sql: SQL) async throws { try await database.write("set") { _ = try $0.run(sql) } }

    /// Ids of the videos that stand here.
    func kept() async throws -> [String] {
        try await texts("SELECT video_id FROM tiktok_videos WHERE deleted_at IS NULL ORDER BY video_id DESC")
    }
    func state(_ stream: String = "videos") async throws -> StreamState {
        try #require(
            try await database.read("state") { try $0.streamState(of: stream, account: "open-1", at: "tiktok") })
    }
    func told() async throws -> [String] {
        try await texts("SELECT type FROM changes WHERE type LIKE 'sync.%' OR type = 'record.changed' ORDER BY seq")
    }
}
