public import Kit

/// Why a run of a job failed that was tried again.
public struct JobFailure: Sendable, Equatable {
    public let attempt: Int64
    public let at: Timestamp
    public let problem: String
}

extension Session {
    /// Of each job the last so many are kept.
    public static var jobFailuresMax: Int { 10 }

    /// The failures of a job that are kept, the oldest first.
    public func failures(of job: ID<JobKind>) throws -> [JobFailure] {
        try rows(
            """
            SELECT attempt, at, problem FROM job_failures
             WHERE job_id = \(job)
             ORDER BY at
             LIMIT \(Self.jobFailuresMax)
            """
        ) { row in JobFailure(attempt: try row.integer(), at: try row.time(), problem: try row.text()) }
    }

    /// Keeps a failure, and forgets those before the last few.
    func note(_ failure: JobFailure, of job: ID<JobKind>) throws {
        try run(
            """
            INSERT INTO job_failures (job_id, at, attempt, problem)
            VALUES (\(job), \(failure.at), \(failure.attempt), \(failure.problem))
            ON CONFLICT (job_id, at) DO NOTHING
            """)
        let last = try row(
            """
            SELECT at FROM job_failures WHERE job_id = \(job) ORDER BY at DESC LIMIT 1 OFFSET \(Self.jobFailuresMax)
            """
        ) { try $0.time() }
        guard let last else { return }
        try run("DELETE FROM job_failures WHERE job_id = \(job) AND at <= \(last)")
    }
}
