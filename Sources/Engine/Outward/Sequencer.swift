public import Kit
public import Logging
public import ServiceLifecycle
public import Store

/// Gives changes their places in the feed, in commit order. One node does it at a time: whoever holds the lease.
///
/// On SQLite a change is placed by the transaction that writes it, and there is nothing to do.
public struct Sequencer: Service {
    public static let lease = "sequencer"
    /// Changes placed by one transaction.
    private static let batch = 500
    /// Between two looks while this node writes changes, while only others may, and while another node is sequencer.
    private static let busy = Duration.milliseconds(15)
    private static let idle = Duration.milliseconds(100)
    private static let standby = Duration.seconds(1)
    /// What is written so soon after a batch shares the next one.
    private static let gathering = Duration.milliseconds(4)
    /// Looks at the busy pace after the last sign of work.
    private static let busyLooks = 20

    private let database: any Database
    private let node: @Sendable () -> ID<NodeKind>
    private let written: Bell
    private let placed: Bell
    private let time: TimeSource
    private let logger: Logger

    /// - Parameters:
    ///   - written: rung by whoever has committed changes in this process.
    ///   - placed: rung here when changes have got their positions.
    public init(
        database: any Database, node: @escaping @Sendable () -> ID<NodeKind>, written: Bell, placed: Bell,
        time: TimeSource, logger: Logger
    ) {
        self.database = database
        self.node = node
        self.written = written
        self.placed = placed
        self.time = time
        self.logger = logger
    }

    /// Runs until it is told to stop. What the database cannot do now is tried again.
    public func run() async throws {
        guard !database.dialect.placesChangesAtOnce else { return await forward() }
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                if let fence = await take() {
                    logger.notice("sequencer.began")
                    await serve(fence)
                    logger.notice("sequencer.ended")
                }
                try? await time.sleep(Self.standby)  // Cancelled: the loop ends.
            }
        }
        await drop()
    }

    /// SQLite: written is placed.
    private func forward() async {
        await cancelWhenGracefulShutdown {
            var seen = written.rings
            while !Task.isCancelled {
                seen = await written.wait(since: seen)
                placed.ring()
            }
        }
    }

    private func take() async -> Int64? {
        let (node, now) = (node(), time.now())
        do {
            return try await database.set("sequencer.take", in: .work) { session in
                try session.takeLease(Self.lease, for: node, at: now)
            }
        } catch {
            logger.debug("sequencer.not_taken", metadata: ["problem": "\(error)"])
            return nil
        }
    }

    /// Places changes until the lease is lost or the task is cancelled.
    private func serve(_ fence: Int64) async {
        var looks = Self.busyLooks
        while !Task.isCancelled {
            let seen = written.rings
            do {
                guard let count = try await place(fence) else { return }
                if count > 0 { placed.ring() }
                if count == Self.batch { continue }
                looks = count > 0 ? Self.busyLooks : max(0, looks - 1)
                if count > 0 { try? await time.sleep(Self.gathering) }  // Cancelled: the loop ends.
            } catch {
                logger.warning("sequencer.failed", metadata: ["problem": "\(error)"])
                try? await time.sleep(Self.standby)  // Cancelled: the loop ends.
                continue
            }
            let pace = looks > 0 ? Self.busy : Self.idle
            if await written.wait(since: seen, until: time.now() + pace, on: time) != seen { looks = Self.busyLooks }
        }
    }

    /// Nil when another node is sequencer now.
    private func place(_ fence: Int64) async throws -> Int? {
        let node = node()
        return try await database.set("sequencer.place", in: .work) { session in
            guard try session.holdsLease(Self.lease, node: node, fence: fence) else { return nil }
            return try session.sequence(Self.batch).placed
        }
    }

    private func drop() async {
        let node = node()
        do {
            try await database.set("sequencer.drop", in: .work) { try $0.dropLease(Self.lease, node: node) }
        } catch {
            logger.debug("sequencer.not_dropped", metadata: ["problem": "\(error)"])
        }
    }
}
