import Kit

/// What the platforms said last when they were asked, and whether they are being asked. Guards both.
actor Asking {
    /// How it stands.
    enum State: Sendable {
        case never
        case running(since: Timestamp)
        case done([Finding], at: Timestamp)
    }

    private(set) var state = State.never
    private let ask: @Sendable () async -> [Finding]
    private let now: @Sendable () -> Timestamp
    private var flight: Task<Void, Never>?

    init(_ ask: @escaping @Sendable () async -> [Finding], now: @escaping @Sendable () -> Timestamp) {
        self.ask = ask
        self.now = now
    }

    /// Begins to ask, unless it is asking; answers at once.
    func begin() {
        guard flight == nil else { return }
        state = .running(since: now())
        flight = Task {
            let findings = await ask()
            state = .done(findings, at: now())
            flight = nil
        }
    }
}
