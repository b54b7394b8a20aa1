import Kit

/// Whether a host answers as it should: pure, so that a test can walk it through a day.
///
/// Five failures that are at least half of what was tried within 30 seconds open it. While it is open nothing is sent;
/// every 30 seconds one call may try, and its success closes it.
struct Circuit: Sendable {
    static let failuresMin = 5
    static let window = Duration.seconds(30)
    static let probeEvery = Duration.seconds(30)

    enum State: Sendable, Equatable {
        case closed
        case open(since: Timestamp, probeAt: Timestamp)
    }
    private(set) var state = State.closed
    private var began = Timestamp.zero
    private var failures = 0
    private var calls = 0

    /// Nil when a call may leave; else when one may try.
    func blockedUntil(_ now: Timestamp) -> Timestamp? {
        switch state {
        case .closed: nil
        case .open(_, let probeAt): probeAt
        }
    }

    /// Notes an answer, or that none came. True when this opened it.
    mutating func note(isFailure: Bool, at now: Timestamp) -> Bool {
        if now - began > Self.window { (began, failures, calls) = (now, 0, 0) }
        calls += 1
        failures += isFailure ? 1 : 0
        switch state {
        case .closed:
            guard failures >= Self.failuresMin, failures * 2 >= calls else { return false }
            state = .open(since: now, probeAt: now + Self.probeEvery)
            return true
        case .open(let since, _):
            if isFailure {
                state = .open(since: since, probeAt: now + Self.probeEvery)
            } else {
                close()
            }
            return false
        }
    }

    /// Another node says when it may be tried.
    mutating func wait(until moment: Timestamp) {
        if case .open(let since, _) = state { state = .open(since: since, probeAt: moment) }
    }

    mutating func close() {
        state = .closed
        (failures, calls) = (0, 0)
    }
}
