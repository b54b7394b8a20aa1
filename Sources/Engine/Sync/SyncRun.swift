import Crypto
import Kit
import Store

/// A run as it stands between two steps.
struct SyncRun: Sendable {
    /// More empty pages in a row are no list.
    static let emptyPagesMax: Int64 = 100
    /// Rows marked as gone by one transaction where nobody can be asked.
    private static let rowsAtOnce = 500

    var row: SyncRow
    let stream: SyncStream
    let connection: ConnectionRow
    let job: ClaimedJob

    var table: RecordTable { stream.table }

    var question: StreamQuestion {
        StreamQuestion(
            account: row.account, scopes: connection.scopes, cursor: row.phase == .list ? row.position : nil,
            since: stream.reach == .since ? row.since : nil)
    }

    var errand: ConnectionCaller.Errand {
        var errand = ConnectionCaller.Errand(
            connection: connection.id.text, account: connection.openID, userID: connection.userID,
            app: connection.app.text, provider: row.provider, purpose: "sync",
            claimant: Claimant(job.lane, job.priority))
        errand.subject = row.id.text
        return errand
    }

    static func hash(_ cursor: String) -> [UInt8] { Array(SHA256.hash(data: Array(cursor.utf8)).prefix(16)) }

    /// Whether a page of a list that begins with the newest reaches what is known. The border itself belongs to what
    /// is read again: two rows may share its moment.
    func isCovered(by page: StreamPage) -> Bool {
        guard stream.reach == .newestFirst, let since = row.since else { return false }
        return page.rows.contains { $0.at.map { $0 < since } ?? false }
    }

    /// Keys for the next lookup.
    func candidates(in session: Session, at now: Timestamp) throws -> [String] {
        guard let started = row.startedAt else { return [] }
        return try candidates(row.phase, after: row.position ?? "", started: started, in: session, at: now, limit: nil)
    }

    private func candidates(
        _ phase: SyncRow.Phase, after key: String, started: Timestamp, in session: Session, at now: Timestamp,
        limit: Int?
    ) throws -> [String] {
        let limit = limit ?? stream.lookup?.idsMax ?? Self.rowsAtOnce
        switch phase {
        case .list: return []
        case .confirm:
            return try session.unobserved(since: started, in: table, of: row.account, after: key, limit: limit)
        case .refresh:
            guard let window = stream.lookup?.refreshes else { return [] }
            return try session.unobserved(
                since: started, made: now - window, in: table, of: row.account, after: key, limit: limit)
        }
    }

    /// Where it goes on behind a step; true when all is done.
    func next(_ step: inout SyncStep, started: Timestamp, in session: Session, at now: Timestamp) throws -> Bool {
        if step.phase == .list {
            guard step.position == nil else { return false }
            step.phase = row.listsAll ? .confirm : .refresh
        }
        return try candidates(
            step.phase, after: step.position ?? "", started: started, in: session, at: now, limit: 1
        ).isEmpty
    }
}
