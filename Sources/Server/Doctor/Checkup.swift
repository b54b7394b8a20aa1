import Kit

/// What `doctor` found last: it syncs and counts, so a page does not ask it each time. Guards the last findings.
actor Checkup {
    private let doctor: Doctor
    private let now: @Sendable () -> Timestamp
    private var last: (findings: [Finding], at: Timestamp)?
    private var flight: Task<[Finding], Never>?

    /// Findings older than this are found anew.
    private static let life = Duration.minutes(5)

    init(_ doctor: Doctor, now: @escaping @Sendable () -> Timestamp) {
        self.doctor = doctor
        self.now = now
    }

    /// - Parameter anew: whether findings that are there do not count.
    func findings(anew: Bool = false) async -> (findings: [Finding], at: Timestamp) {
        if !anew, let last, now() - last.at < Self.life { return last }
        let task = flight ?? Task { [doctor] in await doctor.examine() }
        flight = task
        let found = (findings: await task.value, at: now())
        flight = nil
        last = found
        return found
    }
}
