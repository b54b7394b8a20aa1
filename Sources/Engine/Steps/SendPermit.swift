/// Leave to send one call that has been written down, for two seconds.
///
/// No fence stops a process that was paused after it wrote down what it would send, and wakes when another has taken
/// over its work. The clock of this runs while the machine sleeps or the process stands still, and whoever takes over
/// waits for longer. What remains is a pause between the check and the first byte.
public struct SendPermit: Sendable {
    static let life = Duration.seconds(2)

    /// By the clock that runs while the machine sleeps.
    let until: Duration
    private let uptime: @Sendable () -> Duration

    /// - Parameter issued: when its commit began.
    init(issued: Duration, uptime: @escaping @Sendable () -> Duration) {
        until = issued + Self.life
        self.uptime = uptime
    }

    /// Right before the first byte of what takes effect.
    func check() throws(PermitOver) {
        guard uptime() < until else { throw PermitOver() }
    }
}

/// The call was not sent: too much time had passed since it was written down.
struct PermitOver: Error {}
