import Glibc
import Kit
public import Logging
import Synchronization

/// Wakes other nodes, and hears them: one connection, on a thread of its own, at most one NOTIFY for each channel in
/// 20 ms, without payload. No transaction that does work ever notifies: that would queue all commits behind each other
///. What is lost while it reconnects is made up for by everyone's polling.
///
/// `@unchecked Sendable`: `lastSent` belongs to the thread once started.
public final class PostgresWakes: @unchecked Sendable {
    /// Between two NOTIFYs, in seconds.
    private static let gathering = 0.02
    private static let reconnectSeconds: UInt32 = 1

    private let url: String
    private let channels: [String]
    private let heard: @Sendable (String) -> Void
    private let logger: Logger
    /// A pipe, written to in order to end the thread's wait: where it is read, and where it is written.
    private let signal: (reads: Int32, writes: Int32)
    private let ended = Gate()
    private let state = Mutex(State())
    private struct State {
        var wanted: Set<String> = []
        var isStopped = false
    }
    private var lastSent = 0.0

    /// - Parameters:
    ///   - channels: our own words, each a plain name.
    ///   - heard: called on the thread when another node woke a channel; also once for each after a reconnection.
    init(url: String, channels: [String], heard: @escaping @Sendable (String) -> Void, logger: Logger) {
        self.url = url
        self.channels = channels
        self.heard = heard
        self.logger = logger
        var ends: [Int32] = [-1, -1]
        // Without a pipe the thread still looks every second.
        if pipe(&ends) == 0 { for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) } }
        signal = (ends[0], ends[1])
    }

    deinit {
        close(signal.reads)
        close(signal.writes)
    }

    func start() { startThread("pg-wakes") { self.loop() } }

    /// Wakes a channel on all other nodes, soon.
    public func notify(_ channel: String) {
        state.withLock { _ = $0.wanted.insert(channel) }
        wakeThread()
    }

    /// Ends the thread and its connection.
    public func stop() async {
        state.withLock { $0.isStopped = true }
        wakeThread()
        await ended.wait()
    }

    /// A full pipe wakes it just as well.
    private func wakeThread() { _ = write(signal.writes, [1] as [UInt8], 1) }

    private func loop() {
        var connection: PostgresConnection?
        while !state.withLock({ $0.isStopped }) {
            do {
                let open = try connection ?? listen()
                connection = open
                try wait(on: open)
                try send(on: open)
            } catch {
                connection = nil
                logger.notice("store.wakes_lost", metadata: ["problem": "\(error)"])
                sleep(Self.reconnectSeconds)
            }
        }
        ended.open()
    }

    private func listen() throws -> PostgresConnection {
        let open = try PostgresConnection(url: url)
        try open.execute(channels.map { "LISTEN \($0)" }.joined(separator: "; "))
        for channel in channels { heard(channel) }
        return open
    }

    /// Until somebody is heard, somebody is to be woken and may be, or a second has passed.
    private func wait(on open: PostgresConnection) throws {
        let rest =
            state.withLock { $0.wanted.isEmpty } ? 1 : max(0, lastSent + Self.gathering - SQLiteConnection.monotonic())
        var watched = [
            pollfd(fd: open.socket, events: Int16(POLLIN), revents: 0),
            // While it gathers, who wants more changes nothing.
            pollfd(fd: rest < 1 ? -1 : signal.reads, events: Int16(POLLIN), revents: 0),
        ]
        _ = poll(&watched, 2, Int32((rest * 1000).rounded(.up)))
        var drained = [UInt8](repeating: 0, count: 256)
        while read(signal.reads, &drained, drained.count) > 0 {}
        for channel in try open.notifications(waiting: 0) { heard(channel) }
    }

    private func send(on open: PostgresConnection) throws {
        let now = SQLiteConnection.monotonic()
        guard now - lastSent >= Self.gathering else { return }
        let channels = state.withLock { state in
            defer { state.wanted = [] }
            return state.wanted
        }
        guard !channels.isEmpty else { return }
        lastSent = now
        try open.execute(channels.sorted().map { "NOTIFY \($0)" }.joined(separator: "; "))
    }
}

extension PostgresDatabase {
    /// Begins to listen for other nodes.
    public func wakes(
        _ channels: [String], logger: Logger, heard: @escaping @Sendable (String) -> Void
    ) -> PostgresWakes {
        let wakes = PostgresWakes(url: url, channels: channels, heard: heard, logger: logger)
        wakes.start()
        return wakes
    }
}
