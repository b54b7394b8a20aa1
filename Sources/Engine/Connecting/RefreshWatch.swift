import Kit
import Synchronization

/// How long this node has seen one refresh go on, by its own clock that nobody can set: when a refresh counts as
/// given up. Guards what was seen.
final class RefreshWatch: Sendable {
    /// Longer than a refresh can take, by far: deadline, commit and a pause of the process between the two.
    static let lease = Duration.seconds(45)
    /// The same where the node's session has ended: only what it had sent may still be on its way.
    static let leaseOfEnded = TokenDesk.deadline + .seconds(2)
    private static let seenMax = 10_000

    private struct Seen {
        let attempt: RefreshAttempt
        let since: Duration
    }
    private let seen = Mutex<[String: Seen]>([:])
    private let uptime: @Sendable () -> Duration

    init(uptime: @escaping @Sendable () -> Duration) { self.uptime = uptime }

    /// Whether this refresh has gone on for too long.
    func isOver(_ connection: ID<ConnectionKind>, _ attempt: RefreshAttempt, hasEnded: Bool) -> Bool {
        let now = uptime()
        return seen.withLock { seen in
            if let before = seen[connection.text], before.attempt == attempt {
                return now - before.since > (hasEnded ? Self.leaseOfEnded : Self.lease)
            }
            if seen.count >= Self.seenMax { seen.removeAll() }
            seen[connection.text] = Seen(attempt: attempt, since: now)
            return false
        }
    }

    func forget(_ connection: ID<ConnectionKind>) { seen.withLock { seen in seen[connection.text] = nil } }
}
