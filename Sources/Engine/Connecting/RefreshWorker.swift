import Kit
public import Store

/// Refreshes tokens when they are due.
public struct RefreshWorker: JobWorker {
    public static let kind = "connection.refresh"

    public var kind: String { Self.kind }
    private let refreshing: Refreshing

    public init(_ refreshing: Refreshing) { self.refreshing = refreshing }

    /// One job for each version and try: a job that is due later does not stand in the way of one that is due sooner.
    static func job(
        _ id: ID<JobKind>, _ connection: ID<ConnectionKind>, version: Int64, try number: Int64 = 0, at due: Timestamp,
        now: Timestamp
    ) -> NewJob {
        let input: JSON = ["connection": JSON(connection), "version": JSON(version)]
        return NewJob(
            id: id, kind: kind, lane: Lane(connection.text, .event), dueAt: due, createdAt: now, input: input.bytes,
            subject: connection.text, uniqueKey: "refresh/\(connection)/\(version)/\(number)")
    }

    public func run(_ job: ClaimedJob) async throws -> JobResult {
        guard let input = try? JSON.parse(job.input), let text = input["connection"]?.text,
            let version = input["version"]?.integer
        else { throw JobInterruption.hopeless("Its input cannot be read.") }
        switch try await refreshing.renew(ID(stored: text), from: version, patience: .zero) {
        case .renewed: return .done
        case .later: return .done  // Another job is there for that.
        case .nothing: return .cancelled(reason: "There is no refresh token. What it has is used to its end.")
        case .ended: return .cancelled(reason: "The connection must be connected again, or is gone.")
        case .held:
            throw JobInterruption.later(
                at: refreshing.time.now() + .seconds(5), reason: "Another refresh is on its way.")
        }
    }
}
