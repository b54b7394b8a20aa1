import Foundation
import Logging
import Synchronization

/// How long things may take, in seconds. Only tests take less.
struct PostgresPatience: Sendable {
    /// An absence that is waited out. Longer ones are told at once, to everyone.
    var grace = 1.0
    /// The kernel of a server that hangs answers for it: only a question shows. A busy one may take seconds.
    var silence = 5.0
    /// A transaction that takes so long has somebody look whether the server answers; then the server is asked to end
    /// it; then its connection is cut.
    var (doubt, cancel, cut) = (3.0, 10.0, 13.0)
    /// For a closure with its waiting in line, reconnecting and all its repetitions.
    var closure = 12.0
}

/// Whether PostgreSQL answers: one connection that asks, so that nobody else has to find out.
///
/// While it is away nothing is begun and nothing waits. Who lost its connection asks here, and waits a moment: a server
/// that is started again, or a connection that somebody ended, costs nobody an error.
///
/// `@unchecked Sendable`: `condition` guards everything mutable; the connection belongs to the thread once started.
final class PostgresProber: @unchecked Sendable {
    /// Between two looks when nobody asks.
    private static let (paceSeconds, awayPaceSeconds) = (5.0, 0.2)

    let ended = Gate()
    private let url: String
    private let patience: PostgresPatience
    private let logger: Logger
    private var connection: PostgresConnection?
    private let condition = NSCondition()
    private var awaySince: Double?
    private var reason = ""
    private var isTold = false
    private var isWanted = false
    private var isStopped = false
    private var (looksBegun, looksEnded) = (0, 0)

    init(url: String, connection: PostgresConnection, patience: PostgresPatience, logger: Logger) {
        self.url = url
        self.patience = patience
        self.connection = connection
        self.logger = logger
    }

    func start() { startThread("pg-prober") { self.loop() } }

    func stop() {
        condition.withLock {
            isStopped = true
            condition.broadcast()
        }
    }

    /// Why nothing is begun now; nil while it answers, or has not for a moment only. Never waits.
    var away: StoreError? {
        condition.withLock { isAway ? .unavailable("PostgreSQL is away: \(reason)") : nil }
    }

    /// Has somebody look now.
    func doubt() {
        condition.withLock {
            isWanted = true
            condition.broadcast()
        }
    }

    /// For someone whose connection failed: true once the server answers; false when it is away, or at `end`.
    ///
    /// - Parameter patient: waits until `end` even while it is away.
    func answers(before end: Double, patient: Bool) -> Bool {
        condition.withLock {
            // A look that is under way may have begun before what was seen.
            let needed = looksBegun + 1
            isWanted = true
            condition.broadcast()
            while !isStopped, SQLiteConnection.monotonic() < end {
                if looksEnded >= needed, awaySince == nil { return true }
                if isAway, !patient { return false }
                _ = condition.wait(until: Date(timeIntervalSinceNow: 0.05))
            }
            return false
        }
    }

    private var isAway: Bool {
        awaySince.map { SQLiteConnection.monotonic() - $0 >= patience.grace } ?? false
    }

    // MARK: The thread

    private func loop() {
        while wait() {
            let began = SQLiteConnection.monotonic()
            tell(look(), since: began)
        }
        connection = nil
        ended.open()
    }

    /// Until somebody asks, or it is time. False when there is nothing more to do.
    private func wait() -> Bool {
        condition.withLock {
            let end = Date(timeIntervalSinceNow: awaySince == nil ? Self.paceSeconds : Self.awayPaceSeconds)
            while !isWanted, !isStopped, condition.wait(until: end) {}
            isWanted = false
            looksBegun += 1
            return !isStopped
        }
    }

    /// What is wrong; nil for nothing. A connection that was lost proves nothing, one that is silent does.
    private func look() -> String? {
        do {
            if let connection {
                guard try connection.answers(within: Int32(patience.silence * 1000)) else {
                    self.connection = nil
                    return "it has said nothing for \(Int(patience.silence.rounded(.up))) seconds"
                }
                return nil
            }
        } catch {
            connection = nil
        }
        do { connection = try PostgresConnection(url: url) } catch { return "\(error)" }
        return nil
    }

    private func tell(_ problem: String?, since began: Double) {
        let news = condition.withLock { () -> (event: Logger.Message, seconds: Double)? in
            looksEnded = looksBegun
            defer { condition.broadcast() }
            guard let problem else {
                defer { (awaySince, isTold) = (nil, false) }
                return isTold ? ("store.back", SQLiteConnection.monotonic() - (awaySince ?? began)) : nil
            }
            (awaySince, reason) = (awaySince ?? began, problem)
            guard isAway, !isTold else { return nil }
            isTold = true
            return ("store.away", 0)
        }
        guard let news else { return }
        if let problem {
            logger.error(news.event, metadata: ["reason": "\(problem)"])
        } else {
            logger.notice(news.event, metadata: ["seconds": "\(Int(news.seconds.rounded()))"])
        }
    }
}

/// Ends what takes too long: a statement by asking the server, then by cutting the connection; waiting in line by an
/// answer. Never waits for the server itself.
final class PostgresWatchdog: Sendable {
    private static let paceSeconds = 0.25

    private let workers: [PostgresWorker]
    private let queues: [WorkQueue<Work>]
    private let prober: PostgresProber
    private let isStopped = Atomic(false)

    init(workers: [PostgresWorker], queues: [WorkQueue<Work>], prober: PostgresProber) {
        self.workers = workers
        self.queues = queues
        self.prober = prober
    }

    func start() {
        startThread("pg-watchdog") {
            while !self.isStopped.load(ordering: .acquiring) {
                Thread.sleep(forTimeInterval: Self.paceSeconds)
                self.look()
            }
        }
    }
    func stop() { isStopped.store(true, ordering: .releasing) }

    private func look() {
        for worker in workers where worker.curb() { prober.doubt() }
        let (away, now) = (prober.away, SQLiteConnection.monotonic())
        for queue in queues {
            for work in queue.drain(where: { away != nil || $0.deadline < now }) {
                work.finish(away ?? .overloaded, nil)
            }
        }
    }
}
