import Kit
import Store

/// What followers and operators hear of a run, with ids made before the transaction.
struct SyncNews: Sendable {
    private static let alert = AlertName.syncFailed

    private let change: ID<ChangeKind>
    private let alertID: ID<AlertKind>
    private let alertChange: ID<ChangeKind>
    private let rows: [ID<ChangeKind>]

    /// - Parameter rows: how many rows may be told of.
    init(_ ids: Identifiers, rows: Int = 0) {
        (change, alertID, alertChange) = (ids.make(), ids.make(), ids.make())
        self.rows = (0..<rows).map { _ in ids.make() }
    }

    func completed(_ row: SyncRow, _ connection: ConnectionRow, in session: Session, at now: Timestamp) throws {
        try tell("sync.completed", row, connection, [], in: session, at: now)
        let isFailing = try session.streamStates(of: row.account, at: row.provider).contains { $0.failingSince != nil }
        if !isFailing { try session.resolve(Self.alert, connection.id.text, changeID: alertChange, at: now) }
    }

    func failed(
        _ row: SyncRow, _ connection: ConnectionRow, _ problem: SyncProblem, platform: String, in session: Session,
        at now: Timestamp
    ) throws {
        try tell(
            "sync.failed", row, connection,
            [
                .init("code", .string(problem.code)), .init("problem", .string(problem.sentence)),
                .init("who", .string(problem.who.rawValue)),
            ], in: session, at: now)
        // Of a connection that is no longer accepted its own alert tells.
        guard problem.code != SyncProblem.notConnected else { return }
        try session.raise(
            NewAlert(
                id: alertID, kind: Self.alert, subject: connection.id.text,
                summary: "\(platform), \(row.stream): \(problem.sentence)",
                action: "Look at it: patchbay sync status \(connection.id). Then: patchbay sync run \(connection.id)",
                at: now, changeID: alertChange))
    }

    /// One change a row; `rows` are as many as ids were made for.
    func changed(
        _ keys: [(key: String, what: String)], _ row: SyncRow, _ connection: ConnectionRow, observed: Timestamp,
        in session: Session, at now: Timestamp
    ) throws {
        try session.append(
            zip(rows, keys).map { id, record in
                let data: JSON = [
                    "provider": .string(row.provider), "stream": .string(row.stream), "key": .string(record.key),
                    "what": .string(record.what), "connection_id": JSON(connection.id),
                    "user_id": .string(connection.userID), "version": JSON(observed.microseconds),
                    "observed_at": JSON(observed),
                ]
                return NewChange(
                    id: id, type: "record.changed", subject: connection.id.text, version: observed.microseconds,
                    userID: connection.userID, connectionID: connection.id.text, occurredAt: now, data: data.bytes)
            })
    }

    private func tell(
        _ type: String, _ row: SyncRow, _ connection: ConnectionRow, _ more: [JSONMember], in session: Session,
        at now: Timestamp
    ) throws {
        let data: [JSONMember] = [
            .init("sync_id", JSON(row.id)), .init("connection_id", JSON(connection.id)),
            .init("user_id", .string(connection.userID)), .init("provider", .string(row.provider)),
            .init("stream", .string(row.stream)), .init("reason", .string(row.reason.rawValue)),
            .init("lists_all", .bool(row.listsAll)), .init("pages", JSON(row.pages)),
            .init("rows", JSON(row.rowsRead)), .init("new", JSON(row.rowsNew)), .init("changed", JSON(row.rowsChanged)),
            .init("deleted", JSON(row.rowsDeleted)), .init("started_at", JSON(row.startedAt)),
        ]
        try session.append([
            NewChange(
                id: change, type: type, subject: connection.id.text, userID: connection.userID,
                connectionID: connection.id.text, occurredAt: now, data: JSON.object(data + more).bytes)
        ])
    }
}

/// Why a run failed, for the person who must act.
struct SyncProblem: Error, Sendable {
    static let notConnected = "needs_reconnect"

    let code: String
    let sentence: String
    let who: Failure.Actor

    init(_ code: String, _ sentence: String, by who: Failure.Actor) {
        self.code = code
        self.sentence = sentence
        self.who = who
    }
    init(_ failure: Failure) { self.init(failure.kind.name, failure.message, by: failure.who) }

    /// It would turn in a circle for ever.
    static func loop(_ platform: String) -> SyncProblem {
        SyncProblem(
            "pagination_loop",
            "\(platform)'s list turns in a circle, or breaks off where it says that there is more. What is here stays.",
            by: .provider)
    }
    static func empty(_ platform: String, _ pages: Int64) -> SyncProblem {
        SyncProblem(
            "empty_pages", "\(platform) gave \(pages) empty pages in a row and says that there is more.", by: .provider)
    }
}
