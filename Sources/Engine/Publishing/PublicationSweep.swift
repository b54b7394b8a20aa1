public import Kit
public import Store

/// Gives targets that are to go on a job again, where theirs is gone: somebody cancelled it, or its process died with
/// it too often.
public struct PublicationSweep: JobWorker {
    public static let kind = "maintenance.publications"
    private static let atOnce = 100

    public var kind: String { Self.kind }
    private let database: any Database
    private let ids: Identifiers
    private let time: TimeSource
    private let bells: Bells

    public init(database: any Database, ids: Identifiers, time: TimeSource, bells: Bells) {
        self.database = database
        self.ids = ids
        self.time = time
        self.bells = bells
    }

    /// Once an hour.
    public static func schedule(firstAt: Timestamp) -> NewSchedule {
        NewSchedule(name: kind, kind: kind, lane: RetentionWorker.lane, every: .hours(1), firstAt: firstAt)
    }

    public func run(_ job: ClaimedJob) async throws -> JobResult {
        let (now, fresh) = (time.now(), (0..<Self.atOnce).map { _ in ids.make(JobKind.self) })
        try await database.write("forgotten_targets", in: .work) { session in
            let targets = try session.forgottenTargets(Self.atOnce)
            try session.enqueue(
                zip(targets, fresh).map { target, id in
                    Publishing.job(
                        id, target.id, target.publication, target.connection, due: max(now, target.nextAt ?? now),
                        at: now)
                })
        }
        bells.jobs.ring()
        return .done
    }
}
