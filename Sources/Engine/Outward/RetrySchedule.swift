import Kit

/// When a change that an endpoint did not take is sent again. Source: standard-webhooks, spec, "Retry schedule".
struct RetrySchedule: Sendable {
    /// Before the second try, the third, and so on: together three days and three and a half hours.
    static let delays: [Duration] = [
        .seconds(5), .minutes(5), .minutes(30), .hours(2), .hours(5), .hours(10), .hours(14), .hours(20), .hours(24),
    ]
    static let attemptsMax = Int64(delays.count + 1)
    /// Delays are spread by so much to either side, so that what failed together does not come back together.
    private static let spread = 0.1

    /// The wait after try number `number`, 1 is the first; nil when it was the last.
    /// - Parameters:
    ///   - unit: random, from 0 to 1.
    ///   - asked: what the other side asked for; the later of both counts.
    static func delay(after number: Int64, unit: Double, asked: Duration?) -> Duration? {
        guard number >= 1, number < attemptsMax else { return nil }
        let planned = delays[Int(number - 1)] * (1 - spread + 2 * spread * unit)
        return max(planned, asked ?? .zero)
    }
}

/// How fast an endpoint is sent to: all slots while it takes what it gets, fewer when it is overwhelmed, and with
/// growing breaks when it takes nothing at all.
struct SendingPace: Sendable {
    /// So many failures in a row are no accident.
    private static let failuresBeforeBreaks = 16
    private static let longestBreak = Duration.seconds(30)
    /// Before our own network is tried again.
    private static let ownBreak = Duration.seconds(5)

    let slotsMax: Int
    private(set) var slots: Int
    private(set) var failuresInRow = 0
    /// Nothing is sent before.
    private(set) var breakUntil = Timestamp.zero

    init(slotsMax: Int) {
        self.slotsMax = slotsMax
        slots = slotsMax
    }

    mutating func succeeded() {
        slots = min(slotsMax, slots + 1)
        failuresInRow = 0
    }

    /// - Parameter isOverload: whether the failure says that there is too much for it.
    mutating func failed(isOverload: Bool, at now: Timestamp) {
        failuresInRow += 1
        if isOverload { slots = max(1, slots / 2) }
        let beyond = failuresInRow - Self.failuresBeforeBreaks
        guard beyond >= 0 else { return }
        breakUntil = now + min(.milliseconds(100) * (1 << min(beyond, 12)), Self.longestBreak)
    }

    mutating func ownNetworkFailed(at now: Timestamp) { breakUntil = now + Self.ownBreak }
}
