import CSQLite
import Foundation
import Kit
import Logging

/// The one thread that writes. Closures that wait share a commit, each in its own savepoint; all are told after it.
///
/// `@unchecked Sendable`: its state belongs to its thread once started.
final class SQLiteWriter: @unchecked Sendable {
    /// A batch ends at so many closures, so many bytes or so much time, so that no one waits long for the commit.
    private static let closuresMax = 256
    private static let bytesMax = 4 << 20
    private static let batchSeconds = 0.005
    /// A closure slower than this is named in the log.
    private static let slowSeconds = 0.05

    let ended = Gate()
    private let file: SQLiteFile
    private let queue: WorkQueue<Work>
    private let logger: Logger
    private let checkpointer: SQLiteCheckpointer
    private var connection: SQLiteConnection?

    init(file: SQLiteFile, connection: SQLiteConnection, queue: WorkQueue<Work>, logger: Logger) {
        self.file = file
        self.connection = connection
        self.queue = queue
        self.logger = logger
        checkpointer = SQLiteCheckpointer(file: file, logger: logger)
    }

    func start() {
        checkpointer.start()
        startThread("sqlite-writer") { self.loop() }
    }

    private func loop() {
        while let batch = queue.take(Self.closuresMax, waiting: 0.05) {
            var waiting = batch
            while !waiting.isEmpty { waiting = run(waiting) }
            afterCommit(idle: batch.isEmpty)
        }
        checkpointer.stop()
        // What is left is read from the WAL at the next start.
        _ = try? connection?.checkpoint(SQLITE_CHECKPOINT_TRUNCATE)
        connection?.close()
        ended.open()
    }

    // MARK: A batch

    /// Runs a batch in one transaction. Answers those that are to be run in the next one.
    private func run(_ batch: [Work]) -> [Work] {
        guard let connection = usable() else {
            for work in batch { work.finish(.unavailable("the disk failed; the file is being opened again"), nil) }
            return []
        }
        do {
            try connection.execute("BEGIN IMMEDIATE")
        } catch {
            fail(batch, error)
            return []
        }
        var done: [Work] = []
        let (start, bytes) = (SQLiteConnection.monotonic(), connection.boundBytes)
        for (index, work) in batch.enumerated() {
            if index > 0,
                SQLiteConnection.monotonic() - start > Self.batchSeconds
                    || connection.boundBytes &- bytes > Self.bytesMax
            {
                commit(done)
                return Array(batch[index...])
            }
            if let error = perform(work, alone: batch.count == 1) {
                // SQLite may have rolled everything back by itself (full disk, I/O error), or the one closure was
                // undone. Whatever ran next would run outside any transaction: the batch ends here.
                guard connection.isInTransaction else {
                    return restart(failed: work, error, others: done + batch[(index + 1)...])
                }
                finish(work, error)
            } else {
                done.append(work)
            }
        }
        commit(done)
        return []
    }

    /// Runs one closure in its savepoint, or one that is alone in the transaction itself. Its error, if it failed; what
    /// it wrote is undone then.
    private func perform(_ work: Work, alone: Bool) -> (any Error)? {
        guard let connection else { return StoreError.unavailable("the file is closed") }
        let start = SQLiteConnection.monotonic()
        let transaction = Transaction(
            placeholder: "?", bodies: file.bodies, execute: { try connection.run($0, $1) },
            changed: { connection.changedRows })
        defer {
            transaction.end()
            let seconds = SQLiteConnection.monotonic() - start
            if seconds > Self.slowSeconds {
                logger.warning(
                    "store.closure_slow", metadata: ["closure": "\(work.name)", "ms": "\(Int(seconds * 1000))"])
            }
        }
        do {
            if !alone { try connection.execute("SAVEPOINT closure") }
            try work.body(Session(dialect: .sqlite, transaction: transaction))
            if !alone { try connection.execute("RELEASE closure") }
            return nil
        } catch {
            if connection.isInTransaction {
                let undo = alone ? "ROLLBACK" : "ROLLBACK TO closure; RELEASE closure"
                do { try connection.execute(undo) } catch { return error }
            }
            return error
        }
    }

    private func commit(_ done: [Work]) {
        guard let connection else { return fail(done, StoreError.unavailable("the file is closed")) }
        do {
            try connection.execute("COMMIT")
            for work in done { work.finish(nil, nil) }
        } catch {
            if connection.isInTransaction { try? connection.execute("ROLLBACK") }  // A failed COMMIT keeps nothing.
            fail(done, error)
        }
    }

    /// The transaction is gone: the one that met the fault is told, the others run once more.
    private func restart(failed: Work, _ error: any Error, others: [Work]) -> [Work] {
        finish(failed, error)
        for work in others where work.retried { finish(work, error) }
        return others.filter { !$0.retried }.map { work in
            var again = work
            again.retried = true
            return again
        }
    }

    private func fail(_ works: [Work], _ error: any Error) {
        logger.error("store.write_failed", metadata: ["problem": "\(error)", "closures": "\(works.count)"])
        for work in works { finish(work, error) }
    }

    private func finish(_ work: Work, _ error: any Error) {
        if let storeError = error as? StoreError { work.finish(storeError, nil) } else { work.finish(nil, error) }
    }

    // MARK: The file

    /// The connection, reopened when a write or sync has failed: the kernel may have dropped what it could not write,
    /// and a second fsync would say "done" over the hole.
    private func usable() -> SQLiteConnection? {
        if let connection, !connection.diskFailed { return connection }
        connection?.close()
        connection = nil
        checkpointer.reopen()
        do {
            let opened = try file.openWriter()
            guard try opened.checkpoint(SQLITE_CHECKPOINT_TRUNCATE) || opened.checkpoint(SQLITE_CHECKPOINT_PASSIVE)
            else {
                throw StoreError.unavailable("the WAL cannot be moved into the file")
            }
            connection = opened
            logger.notice("store.reopened")
        } catch {
            logger.error("store.reopen_failed", metadata: ["problem": "\(error)"])
            Thread.sleep(forTimeInterval: 0.1)
        }
        return connection
    }

    /// Moves the WAL into the file: in the writer's idle time when it is small, by the side thread when it is large.
    private func afterCommit(idle: Bool) {
        guard let connection, !connection.diskFailed else { return }
        let walBytes = size(of: file.path + "-wal")
        if checkpointer.hasFinished(walBytes: walBytes) || (idle && walBytes > SQLiteCheckpointer.idleBytes) {
            do {
                _ = try connection.checkpoint(idle ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE)
            } catch {
                logger.warning("store.checkpoint_failed", metadata: ["problem": "\(error)"])
            }
        }
    }
}

/// Copies the WAL into the file beside the writer, so that no commit waits for a long checkpoint.
///
/// A passive checkpoint does not block the writer. When it has ended, few frames are left: the writer moves those
/// itself between two commits, and its next commit starts the WAL from the beginning.
final class SQLiteCheckpointer: @unchecked Sendable {  // `condition` guards everything mutable.
    /// Left alone below this while idle.
    static let idleBytes: Int64 = 4 << 20
    /// The side thread begins above this.
    private static let busyBytes: Int64 = 16 << 20

    private let file: SQLiteFile
    private let logger: Logger
    private let condition = NSCondition()
    private var wanted = false
    private var finished = false
    private var running = false
    private var stopped = false
    private var reopening = false

    init(file: SQLiteFile, logger: Logger) {
        self.file = file
        self.logger = logger
    }

    func start() { startThread("sqlite-checkpoint") { self.loop() } }

    func stop() {
        condition.withLock {
            stopped = true
            condition.signal()
            while running { condition.wait() }
        }
    }

    func reopen() { condition.withLock { reopening = true } }

    /// True once after a checkpoint; begins one when the WAL is large.
    func hasFinished(walBytes: Int64) -> Bool {
        condition.withLock {
            if finished {
                finished = false
                return true
            }
            if walBytes > Self.busyBytes, !wanted, !running {
                wanted = true
                condition.signal()
            }
            return false
        }
    }

    private func loop() {
        var connection: SQLiteConnection?
        while next() {
            do {
                if condition.withLock({ reopening }) || connection?.diskFailed == true {
                    connection = nil
                    condition.withLock { reopening = false }
                }
                let open = try connection ?? file.openWriter()
                connection = open
                _ = try open.checkpoint(SQLITE_CHECKPOINT_PASSIVE)
            } catch {
                logger.warning("store.checkpoint_failed", metadata: ["problem": "\(error)"])
            }
            condition.withLock {
                running = false
                finished = true
                condition.broadcast()
            }
        }
    }

    private func next() -> Bool {
        condition.withLock {
            while !wanted, !stopped { condition.wait() }
            guard !stopped else { return false }
            wanted = false
            running = true
            return true
        }
    }
}

/// A thread that reads: each closure on a snapshot of its own, cut off after five seconds.
final class SQLiteReader: @unchecked Sendable {  // Its state belongs to its thread once started.
    private static let secondsMax = 5.0

    let ended = Gate()
    private let file: SQLiteFile
    private let queue: WorkQueue<Work>
    private let number: Int
    private var connection: SQLiteConnection?

    init(file: SQLiteFile, queue: WorkQueue<Work>, number: Int) {
        self.file = file
        self.queue = queue
        self.number = number
    }

    func start() { startThread("sqlite-reader-\(number)") { self.loop() } }

    private func loop() {
        while let works = queue.take(1, waiting: 60) {
            for work in works { run(work) }
        }
        connection?.close()
        ended.open()
    }

    private func run(_ work: Work) {
        do {
            if connection?.diskFailed == true { connection = nil }
            let open = try connection ?? file.openReader()
            connection = open
            open.limit(to: Self.secondsMax)
            let transaction = Transaction(
                placeholder: "?", bodies: file.bodies, execute: { try open.run($0, $1) },
                changed: { open.changedRows })
            defer { transaction.end() }
            try open.execute("BEGIN")
            defer { if open.isInTransaction { try? open.execute("ROLLBACK") } }  // A read has nothing to keep.
            try work.body(Session(dialect: .sqlite, transaction: transaction))
            work.finish(nil, nil)
        } catch let error as StoreError {
            work.finish(error, nil)
        } catch {
            work.finish(nil, error)
        }
    }
}
