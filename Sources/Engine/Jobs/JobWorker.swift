public import Kit
public import Store

/// Does the work of one kind of job.
public protocol JobWorker: Sendable {
    /// The kind of its jobs: `event.apply`.
    var kind: String { get }
    /// The newest shape of input that it reads; newer jobs go back for a newer program.
    var version: Int { get }
    var retries: RetryPolicy { get }
    /// Runs one job. What it throws is a failed attempt, unless it says otherwise (`JobInterruption`).
    func run(_ job: ClaimedJob) async throws -> JobResult
}

extension JobWorker {
    public var version: Int { 1 }
    public var retries: RetryPolicy { .usual }
}

/// How a run ended well.
public enum JobResult: Sendable, Equatable {
    /// Its effects and its end are in one transaction, already committed (`Session.succeed`).
    case committed
    /// Done; the runner records it.
    case done
    /// Nothing to do any more.
    case cancelled(reason: String)
}

/// Why a job stops without having failed.
public enum JobInterruption: Error, Sendable, Equatable {
    /// Its lane may not go on before this time: one gate for all jobs of the lane; no attempt is counted.
    case gated(until: Timestamp, by: String, reason: String)
    /// Goes back as it was.
    case released
    /// It will never succeed: dead at once, with the reason for a person.
    case hopeless(String)
    /// Runs again at this time, as planned: nothing failed.
    case postponed(until: Timestamp)
    /// Runs again at this time, as the other side asked.
    case later(at: Timestamp, reason: String)
}

/// When a failed job runs again, and when it is given up.
public struct RetryPolicy: Sendable, Equatable {
    public var attemptsMax: Int
    public var givesUpAfter: Duration

    public init(attemptsMax: Int, givesUpAfter: Duration) {
        self.attemptsMax = attemptsMax
        self.givesUpAfter = givesUpAfter
    }

    /// Three quick attempts, then from a minute to an hour, up to 20 or three days.
    public static let usual = RetryPolicy(attemptsMax: 20, givesUpAfter: .days(3))

    /// The pause after a failed attempt, or nil when it was the last. Half of it is fixed, half is chance, so that
    /// what failed together does not come back together.
    ///
    /// - Parameters:
    ///   - attempt: the one that failed, from 1.
    ///   - chance: from 0 up to 1.
    func pause(after attempt: Int, failingFor: Duration, chance: Double) -> Duration? {
        guard attempt < attemptsMax, failingFor < givesUpAfter else { return nil }
        let seconds: Double =
            switch attempt {
            case ...1: 1
            case 2: 4
            case 3: 15
            default: min(3600, 60 * Double(1 << min(attempt - 4, 6)))
            }
        return .milliseconds(Int64(seconds * (500 + 500 * chance)))
    }
}
