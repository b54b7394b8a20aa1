public import Kit

public enum BulkRunKind: Identified { public static let idPrefix = "run" }

/// Work on many things at once that a person started, as it stands.
public struct BulkRun: Sendable, Equatable {
    /// `stopped` is not written anywhere: nothing works on it, since its job was cancelled or gave up. Where that job
    /// runs again, the run goes on.
    public enum State: String, Sendable { case running, done, cancelled, stopped }

    public let id: ID<BulkRunKind>
    /// What is done with each: `jobs.retry`, …
    public let what: String
    /// Which things, as a JSON object that the worker reads.
    public let selection: [UInt8]
    public let state: State
    public let askedBy: String
    public let askedAt: Timestamp
    /// How many there were when it began; more than they were counted to is one more than that.
    public let total: Int64
    public let done: Int64
    /// Things that had changed meanwhile, so that nothing could be done with them.
    public let refused: Int64
    /// Why the last of those was refused.
    public let reason: String?
    /// The last thing that was looked at; empty at first.
    public let position: String
    public let finishedAt: Timestamp?
}

/// How far one step went.
public struct BulkStep: Sendable, Equatable {
    public var done = 0
    public var refused = 0
    public var reason: String?
    public var position: String
    public var isLast: Bool

    public init(position: String, isLast: Bool = false) {
        self.position = position
        self.isLast = isLast
    }
}

extension Session {
    public func begin(
        _ id: ID<BulkRunKind>, _ what: String, selection: [UInt8], total: Int, by actor: String, at now: Timestamp
    ) throws {
        try run(
            """
            INSERT INTO bulk_runs (id, what, selection, state, asked_by, asked_at, total, position)
            VALUES (\(id), \(what), \(selection), 'running', \(actor), \(now), \(total), '')
            """)
    }

    /// - Parameter held: whether its row is held to the end of the transaction.
    public func bulkRun(_ id: ID<BulkRunKind>, held: Bool = false) throws -> BulkRun? {
        try row(
            """
            SELECT id, what, selection, CASE WHEN \(Self.isStopped) THEN 'stopped' ELSE state END, asked_by, asked_at,
                   total, done, refused, reason, position, finished_at
              FROM bulk_runs WHERE id = \(id) \(held ? dialect.forUpdate : "")
            """
        ) { row in
            BulkRun(
                id: try row.id(), what: try row.text(), selection: try row.blob(), state: try Self.read(row.text()),
                askedBy: try row.text(), askedAt: try row.time(), total: try row.integer(), done: try row.integer(),
                refused: try row.integer(), reason: try row.optionalText(), position: try row.text(),
                finishedAt: try row.optionalTime())
        }
    }

    /// Writes down how far a step went, while the run goes on. False when it was cancelled meanwhile: what the step
    /// did must not be kept then.
    public func advance(_ id: ID<BulkRunKind>, by step: BulkStep, at now: Timestamp) throws -> Bool {
        let (state, end) = step.isLast ? (BulkRun.State.done, now) : (BulkRun.State.running, nil as Timestamp?)
        return try run(
            """
            UPDATE bulk_runs
               SET done = done + \(step.done), refused = refused + \(step.refused),
                   reason = coalesce(\(step.reason), reason), position = \(step.position), state = \(state.rawValue),
                   finished_at = \(end)
             WHERE id = \(id) AND state = 'running'
            """) == 1
    }

    /// Stops a run before its next step. False when it has ended.
    public func cancelBulkRun(_ id: ID<BulkRunKind>, at now: Timestamp) throws -> Bool {
        try run(
            "UPDATE bulk_runs SET state = 'cancelled', finished_at = \(now) WHERE id = \(id) AND state = 'running'")
            == 1
    }

    /// Forgets runs that began before a moment and have ended or stopped, at most `limit`.
    public func sweepBulkRuns(before moment: Timestamp, _ limit: Int) throws -> Int {
        try run(
            """
            DELETE FROM bulk_runs
             WHERE id IN (SELECT id FROM bulk_runs
                           WHERE id < \(ID<BulkRunKind>.floor(moment)) AND (state <> 'running' OR \(Self.isStopped))
                           ORDER BY id
                           LIMIT \(limit))
            """)
    }

    /// A run's job is about the run, and is gone from the living once it has ended, however that came.
    private static var isStopped: SQL {
        "(state = 'running' AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.subject = bulk_runs.id))"
    }

    /// Forgets ended runs whose selection names someone who is erased: a filter may hold a user's id.
    func forgetBulkRuns(naming user: String) throws {
        let ended = try rows("SELECT id, selection FROM bulk_runs WHERE state <> 'running' ORDER BY id LIMIT 10000") {
            (try $0.text(), try $0.blob())
        }
        let named = ended.filter { Self.names(user, in: $0.1) }.map(\.0)
        if !named.isEmpty { try run("DELETE FROM bulk_runs WHERE id IN (\(SQL.list(named)))") }
    }

    /// Whether a member of a selection is the user, or one of the user's lanes. Another user's id may hold this one's.
    private static func names(_ user: String, in selection: [UInt8]) -> Bool {
        guard let json = try? JSON.parse(selection) else { return true }  // Nothing can be done with it any more.
        let lanes = Priority.allCases.map { Lane(user, $0).id }
        return (json.members ?? []).compactMap(\.value.text).contains { text in
            text.hasSameBytes(as: user) || lanes.contains { $0.hasSameBytes(as: text) }
        }
    }
}
