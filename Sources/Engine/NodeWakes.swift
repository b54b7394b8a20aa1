public import Logging
public import ServiceLifecycle
public import Store
import Synchronization

/// Carries the ringing of bells to other nodes and back, so that none of them waits for its next look. On SQLite there
/// are no other nodes.
public struct NodeWakes: Service {
    private let database: any Database
    private let bells: [(channel: String, bell: Bell)]
    private let logger: Logger

    /// - Parameter bells: each with the name of its channel: a plain lower-case word.
    public init(database: any Database, bells: [(channel: String, bell: Bell)], logger: Logger) {
        self.database = database
        self.bells = bells
        self.logger = logger
    }

    /// Runs until it is told to stop.
    public func run() async throws {
        guard let postgres = database as? PostgresDatabase else {
            return try await gracefulShutdown()
        }
        let lines = Dictionary(uniqueKeysWithValues: bells.map { ("patchbay_" + $0.channel, Line(bell: $0.bell)) })
        let wakes = postgres.wakes(lines.keys.sorted(), logger: logger) { lines[$0]?.ringFromOutside() }
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                for (channel, line) in lines { group.addTask { await line.carry { wakes.notify(channel) } } }
            }
        }
        await wakes.stop()
    }

    /// One bell. What rang because of another node is not carried back.
    private final class Line: Sendable {
        private let bell: Bell
        private let fromOutside = Mutex<UInt64>(0)

        init(bell: Bell) { self.bell = bell }

        func ringFromOutside() {
            fromOutside.withLock { $0 += 1 }
            bell.ring()
        }

        func carry(_ notify: () -> Void) async {
            var seen = bell.rings
            var own = seen - fromOutside.withLock { min($0, seen) }
            while !Task.isCancelled {
                seen = await bell.wait(since: seen)
                let outside = fromOutside.withLock { $0 }
                let now = seen > outside ? seen - outside : 0
                if now > own { notify() }
                own = max(own, now)
            }
        }
    }
}
