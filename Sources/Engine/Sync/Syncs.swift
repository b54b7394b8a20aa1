public import Kit
public import Store

/// Begins runs: of streams that are due, that somebody asks for, that an event wakes.
public struct Syncs: Sendable {
    /// Why nothing can be asked.
    public enum Refusal: Error, Sendable, Equatable {
        case noSuchStream
        case gone
        case paused
        /// Not confirmed, or no longer accepted.
        case notConnected
        case missing([String])
    }

    public let book: SyncBook
    let ids: Identifiers

    public init(_ book: SyncBook, ids: Identifiers) {
        self.book = book
        self.ids = ids
    }

    /// Ids for a run, made before the transaction.
    public struct Ready: Sendable {
        let sync: ID<SyncKind>
        let job: ID<JobKind>
        public init(_ ids: Identifiers) { (sync, job) = (ids.make(), ids.make()) }
    }

    /// Whether a connection may be asked for a stream now.
    public func check(_ stream: SyncStream, _ connection: ConnectionRow) throws(Refusal) {
        guard connection.deletedAt == nil, !connection.openID.isEmpty else { throw .gone }
        switch connection.state {
        case .active, .refreshing, .suspect: break
        case .paused: throw .paused
        case .pending, .needsReconnect, .revoked: throw .notConnected
        }
        let missing = stream.scopes.filter { !connection.scopes.contains($0) }
        guard missing.isEmpty else { throw .missing(missing) }
    }

    /// Begins a run of a stream; one that is under way is answered instead, and begins at once where somebody waits.
    /// Within the caller's transaction.
    ///
    /// - Parameters:
    ///   - due: when its job runs, at the earliest.
    ///   - askedBy: whose key asked; nil for what happens by itself.
    public func begin(
        _ stream: SyncStream, of connection: ConnectionRow, _ reason: SyncRow.Reason, askedBy: String? = nil,
        due: Timestamp? = nil, _ ready: Ready, in session: Session, at now: Timestamp
    ) throws -> SyncRow {
        try check(stream, connection)
        let (provider, account) = (connection.provider, connection.openID)
        let state = try session.holdStreamState(of: stream.name, account: account, at: provider, due: now)
        if let live = try session.liveSync(of: stream.name, account: account, at: provider) {
            if try session.isAlive(live.job) {
                try join(live, reason, lane(of: connection, reason), in: session, at: now)
                return live
            }
            try session.end(live.id, .failed, code: "given_up", problem: "Its job was given up.", at: now)
        }
        let listsAll = Self.listsAll(stream, state, reason, at: now)
        try session.add(
            NewSync(
                id: ready.sync, connection: connection.id, provider: provider, account: account, stream: stream.name,
                reason: state.syncedAt == nil ? .initial : reason, listsAll: listsAll,
                since: listsAll ? nil : state.bookmark, job: ready.job, askedBy: askedBy), at: now)
        try session.enqueue([
            NewJob(
                id: ready.job, kind: SyncRunning.kind, lane: lane(of: connection, reason), dueAt: due ?? now,
                createdAt: now, input: Array(ready.sync.text.utf8), subject: ready.sync.text)
        ])
        guard let row = try session.sync(ready.sync) else { throw StoreError.conflict }
        return row
    }

    /// What somebody who asks gets of a run that is under way.
    private func join(
        _ live: SyncRow, _ reason: SyncRow.Reason, _ lane: Lane, in session: Session, at now: Timestamp
    ) throws {
        switch reason {
        case .webhook:
            // What happened after its question left is not in its answer. The first question has left before anything
            // of the run is kept: who has its job in hand counts.
            guard try live.state == .running || session.isRunning(live.job) else { return }
            try session.askAgain(live.id)
        // Somebody waits: not for a moment that was chosen so that not all begin at once, nor for another try.
        case .manual: try session.hasten(live.job, to: lane, at: now)
        case .initial, .schedule, .full: return
        }
    }

    private func lane(of connection: ConnectionRow, _ reason: SyncRow.Reason) -> Lane {
        Lane(connection.id.text, Self.priority(of: reason))
    }

    /// Everything is read the first time, once more when the table gained a column, and now and then, which is how
    /// deletions are found: not while somebody waits.
    private static func listsAll(
        _ stream: SyncStream, _ state: StreamState, _ reason: SyncRow.Reason, at now: Timestamp
    ) -> Bool {
        guard stream.reach != .whole, state.bookmark != nil, state.shape == stream.table.shape else { return true }
        switch reason {
        case .full: return true
        case .manual, .webhook: return false
        case .initial, .schedule: return state.listedAt.map { now - $0 >= stream.listsAllEvery } ?? true
        }
    }

    private static func priority(of reason: SyncRow.Reason) -> Priority {
        switch reason {
        case .manual: .person
        case .webhook: .event
        case .initial, .schedule, .full: .sync
        }
    }

    /// The same moment every so often for everybody would be a wave: a tenth of the interval to either side.
    static func next(_ stream: SyncStream, after now: Timestamp, chance: Double) -> Timestamp {
        let every = stream.every.microseconds
        let spread = Int64((Double(every / 5) * min(max(chance, 0), 1)).rounded())
        return now + .microseconds(every - every / 10 + spread)
    }
}

/// Begins the first runs of an account that was just connected.
public struct SyncBeginning: JobWorker {
    public static let kind = "sync.begin"
    public var kind: String { Self.kind }

    private let syncs: Syncs
    private let database: any Database
    private let time: TimeSource
    private let bells: Bells

    public init(_ syncs: Syncs, database: any Database, time: TimeSource, bells: Bells) {
        self.syncs = syncs
        self.database = database
        self.time = time
        self.bells = bells
    }

    static func job(_ id: ID<JobKind>, _ connection: ID<ConnectionKind>, at now: Timestamp) -> NewJob {
        NewJob(
            id: id, kind: kind, lane: Lane(connection.text, .event), dueAt: now, createdAt: now,
            input: Array(connection.text.utf8), subject: connection.text, uniqueKey: "sync.begin/\(connection)")
    }

    public func run(_ job: ClaimedJob) async throws -> JobResult {
        try await begin(ID(stored: String(decoding: job.input, as: UTF8.self)))
        return .done
    }

    /// A run for each stream that can be asked for.
    func begin(_ id: ID<ConnectionKind>) async throws {
        guard let row = try await database.read("connection", { try $0.connection(id) }) else { return }
        for stream in syncs.book.streams(of: row.provider) {
            do { try syncs.check(stream, row) } catch { continue }  // What was not granted is not asked for.
            let (now, ready, syncs) = (time.now(), Syncs.Ready(syncs.ids), syncs)
            try await database.write("sync_begin", in: .work) { session in
                guard let fresh = try session.connection(id) else { return }
                do {
                    _ = try syncs.begin(stream, of: fresh, .schedule, ready, in: session, at: now)
                } catch is Syncs.Refusal {}  // Changed since it was read.
            }
        }
        bells.jobs.ring()
    }
}
