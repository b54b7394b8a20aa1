import Engine
import Kit
import Store

/// How a stream of a connection stands, as the pages show it.
struct StreamStanding: Sendable {
    let lamp: Lamp
    let name: String
    /// Its page.
    let href: String
    let what: String
    let word: String
    let sentence: String?
    /// While it is read.
    let progress: ProgressModel?
    let asOf: TimeModel?
    let next: TimeModel?
    let rows: String?

    /// What is looked up of a stream.
    struct Found: Sendable {
        let stream: SyncStream
        let state: StreamState?
        let run: SyncView?
        let rows: Int64?
    }

    /// - Parameter counts: whether the rows are counted, which costs on large accounts.
    static func find(
        _ connection: ConnectionRow, counts: Bool, in session: Session
    ) throws -> [Found] {
        try Providers.syncBook.streams(of: connection.provider).map { stream in
            let live = try session.liveSync(
                of: stream.name, account: connection.openID, at: connection.provider)
            return Found(
                stream: stream,
                state: try session.streamState(
                    of: stream.name, account: connection.openID, at: connection.provider),
                run: try live.map { try SyncView($0, in: session) },
                rows: counts ? try session.recordCount(in: stream.table, of: connection.openID) : nil)
        }
    }

    init(_ found: Found, _ connection: ConnectionRow, _ request: PageRequest) {
        let (words, times) = (request.words, request.times)
        let platform = ConnectionWords.platform(connection, request)
        let fresh = Freshness(of: found.stream, found.state, connection, platform: platform, at: request.now)
        name = found.stream.name
        href = "/sync/\(connection.id)/\(found.stream.name)"
        what = words.text("sync.stream.\(connection.provider).\(found.stream.name)") ?? found.stream.what
        rows = found.rows.map { words.count("sync.rows", Int($0)) }
        asOf = fresh.asOf.map(times.moment)
        progress = found.run.map { Self.progress($0, words) }
        let isLive = found.run != nil
        next = isLive || connection.state == .paused ? nil : found.state.map { times.clock($0.dueAt) }
        let state: LampState
        if let run = found.run {
            state = run.row.code == nil ? .running : .waiting
            word = words(run.row.state == .waiting ? "sync.state.waiting" : "sync.state.running")
            sentence = run.row.problem
        } else {
            (state, word) = Self.standing(fresh, words)
            sentence = fresh.sentence.map { Self.sentence(fresh.reason, $0, platform, words) }
        }
        lamp = Lamp(state)
    }

    private static func standing(_ fresh: Freshness, _ words: Words) -> (LampState, String) {
        switch fresh.reason {
        case nil: (.ok, words("sync.fresh"))
        case .never: (.todo, words("sync.stale.never"))
        case .paused: (.paused, words("sync.stale.paused"))
        case .notConnected: (.needs, words("sync.stale.needs_reconnect"))
        case .missingScope: (.needs, words("sync.stale.missing_scope"))
        case .failing: (.failed, words("sync.stale.failing"))
        case .late: (.waiting, words("sync.stale.late"))
        }
    }

    /// What the engine says in English, in the reader's words where there are some.
    private static func sentence(
        _ reason: Freshness.Reason?, _ sentence: String, _ platform: String, _ words: Words
    ) -> String {
        reason.flatMap { words.text("sync.why.\($0.rawValue)") }?.replacing("{platform}", with: platform) ?? sentence
    }

    private static func progress(_ run: SyncView, _ words: Words) -> ProgressModel {
        let read = run.row.rowsRead
        guard let expected = run.expected, expected > 0 else {
            return ProgressModel(
                state: "running", share: nil,
                sentence: words(
                    "sync.progress_open", ["rows": words.number(read), "pages": words.number(run.row.pages)]))
        }
        return ProgressModel(
            state: "running", share: Int(min(100, read * 100 / expected)),
            sentence: words("sync.progress", ["rows": words.number(read), "all": words.number(expected)]))
    }
}
